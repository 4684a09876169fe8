import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { version } from '../devices.js';
import { LatentrayError } from '../errors.js';
import { parsePythonJson, stringifyPythonJson } from '../json.js';
import { writeFileAtomically } from './atomic-files.js';

/** @internal run.json: what a run is, for people and for the run that goes on. */
export interface RunFile {
  /** What the result follows from. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** Everything that was asked for, as the last start said it. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly versions: Readonly<Record<string, unknown>>;
  readonly startedAt: string;
  readonly finishedAt?: string;
}

/** @internal The digest of a run's identity. */
export function fingerprintOf(identity: RunFile['identity']): string {
  return createHash('sha256').update(stringifyPythonJson(identity)).digest('hex');
}

/** @internal */
export async function readRunFile(path: string): Promise<RunFile | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (parsePythonJson(text, path) as RunFile);
}

/** @internal */
export async function writeRunFile(path: string, run: Omit<RunFile, 'versions'>): Promise<void> {
  const { latentray, libtorch } = version;
  const versions = { latentray, libtorch, node: process.version };
  await writeFileAtomically(path, stringifyPythonJson({ ...run, versions }));
}

/** @internal `ERR_INVALID_ARG` naming what is not as it was. */
export function requireSameRun(before: RunFile['identity'], now: RunFile['identity']): void {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  const changed = [...names].filter(
    (name) => stringifyPythonJson(before[name] ?? null) !== stringifyPythonJson(now[name] ?? null),
  );
  if (changed.length === 0) return;
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `resume: expected the run's own ${changed.join(', ')}, found others. Start a new run in another folder`,
    { changed },
  );
}
