import { readFile, stat } from 'node:fs/promises';
import { LatentrayError } from '../errors.js';
import { parseConfig } from '../json.js';

/** Reads a JSON object. `ERR_MODEL_NOT_FOUND` or `ERR_CONFIG_INVALID`. */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  const value = parseConfig(await readText(path), path);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LatentrayError('ERR_CONFIG_INVALID', `${path}: expected a JSON object`, { path });
  }
  return value as Record<string, unknown>;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new LatentrayError('ERR_MODEL_NOT_FOUND', `${path}: cannot be read (${reason})`, {
      cause,
      path,
    });
  }
}

/** Whether a file or folder is there. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Whether a file is there, and no folder. */
export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}
