import { randomInt } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LatentrayError } from '../errors.js';

/** @internal `ERR_WRITE` for what the file system refused; an error of another kind is itself. */
export function writeError(path: string, cause: unknown): unknown {
  if (!isRefusal(cause)) return cause;
  return new LatentrayError('ERR_WRITE', `${path}: cannot be written (${cause.code})`, {
    cause,
    path,
  });
}

/** Errors of the operating system have a number beside their code. */
function isRefusal(cause: unknown): cause is NodeJS.ErrnoException {
  return cause instanceof Error && typeof (cause as NodeJS.ErrnoException).errno === 'number';
}

/** Processes of several containers write into one folder, and then all have the same number. */
function partialSuffix(): string {
  return `partial-${process.pid}${randomInt(2 ** 40)}`;
}

/** @internal Writes a file whole or not at all: beside its place, flushed, renamed. */
export async function writeFileAtomically(path: string, content: string): Promise<void> {
  const temporary = `${path}.${partialSuffix()}`;
  try {
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await flushFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeError(path, error);
  }
}

/** @internal Makes a folder whole or not at all: `fill` writes into another one, which is then renamed. */
export async function makeFolderAtomically(
  path: string,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${partialSuffix()}`;
  try {
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    await fill(temporary);
    await flushTree(temporary);
    await removeFolderAtomically(path);
    await rename(temporary, path);
    await flushFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw writeError(path, error);
  }
}

/** @internal Takes a folder away whole: under its name there is never a part of it. */
export async function removeFolderAtomically(path: string): Promise<void> {
  const doomed = `${path}.old.${partialSuffix()}`;
  try {
    await rename(path, doomed);
    await rm(doomed, { recursive: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw writeError(path, error);
  }
}

/** @internal Takes away what a process that was killed had begun. */
export async function removePartial(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (/\.partial-\d+$/.test(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function flushTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await flushTree(path);
    else await flushFile(path);
  }
  await flushFolder(folder);
}

async function flushFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** So that a rename outlives a power failure. */
async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
