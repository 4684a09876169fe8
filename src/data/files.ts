import { readdir, stat } from 'node:fs/promises';
import { isAbsolute, join, normalize, sep } from 'node:path';
import { datasetError } from './problems.js';

/** Whether a file (no folder) is there. */
export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** Whether a folder is there. */
export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/**
 * The names in a data set's folder, sorted.
 *
 * @throws LatentrayError `ERR_DATASET` when it is not there.
 */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    throw datasetError(folder, 'expected the folder of a data set, which is not there', { cause });
  }
}

/** A path inside of a folder, or undefined for one that a table leads out of it. */
export function pathInside(folder: string, relative: string): string | undefined {
  if (relative === '' || relative.includes('\0') || isAbsolute(relative)) return undefined;
  const inside = normalize(relative);
  if (inside === '.' || inside === '..' || inside.startsWith(`..${sep}`)) return undefined;
  return join(folder, inside);
}
