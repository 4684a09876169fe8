import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { LatentrayError } from '../errors.js';
import { writeError } from './atomic-files.js';

/** @internal A run's folder, held by one process. */
export interface RunLock {
  release(): Promise<void>;
}

const ownerFile = z.object({
  pid: z.int().positive(),
  host: z.string(),
  /** Tells a process from a later one of the same number; not every system says it. */
  started: z.string().nullable(),
});

type Owner = z.output<typeof ownerFile>;

/**
 * @internal Holds a run's folder by run.lock: two runs in one folder would write over each other. What a process of
 * this machine has left that is over is taken.
 *
 * @throws `ERR_INVALID_ARG` where another run holds it; `ERR_WRITE`.
 */
export async function takeRunLock(folder: string): Promise<RunLock> {
  const path = join(folder, 'run.lock');
  const { pid } = process;
  const owner: Owner = { pid, host: hostname(), started: await startOf(pid) };
  const content = `${JSON.stringify(owner)}\n`;
  if (!(await created(path, content))) {
    await removeStale(path, folder);
    if (!(await created(path, content))) throw inUse(folder, path, await readFile(path, 'utf8'));
  }
  return { release: () => rm(path, { force: true }) };
}

/** False where the file is there already. */
async function created(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw writeError(path, error);
  }
}

/** Renames before it removes: of two that find the same lock stale, one takes it. */
async function removeStale(path: string, folder: string): Promise<void> {
  const doomed = `${path}.partial-${process.pid}`;
  try {
    const found = await readFile(path, 'utf8');
    const owner = ownerIn(found);
    if (!owner || (await isRunning(owner))) throw inUse(folder, path, found);
    await rename(path, doomed);
    const renamed = await readFile(doomed, 'utf8');
    if (renamed !== found) {
      await rename(doomed, path); // another has taken it meanwhile
      throw inUse(folder, path, renamed);
    }
    await rm(doomed);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw writeError(path, error);
  }
}

function ownerIn(text: string): Owner | undefined {
  try {
    return ownerFile.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Nobody can tell of another machine's processes: they count as running. */
async function isRunning({ pid, host, started }: Owner): Promise<boolean> {
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const found = await startOf(pid);
  return found === null || started === null || found === started;
}

/** When a process was started, in the kernel's ticks; null where there is no /proc. */
async function startOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const afterName = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return afterName[19] ?? null;
}

function inUse(folder: string, path: string, text: string): LatentrayError {
  const owner = ownerIn(text);
  const by = owner ? `process ${owner.pid} of ${owner.host}` : 'another process';
  return new LatentrayError(
    'ERR_INVALID_ARG',
    `output: ${folder} is in use by ${by}. Choose another folder; or, if that run is over, delete ${path}`,
    { argument: 'output', path, ...owner },
  );
}
