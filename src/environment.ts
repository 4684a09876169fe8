import { createRequire } from 'node:module';
import { join } from 'node:path';
import { invalidArgument } from './errors.js';
import { packageRoot } from './native/package-root.js';

const { cacheFolder } = createRequire(join(packageRoot, 'package.json'))(
  './scripts/find-libtorch.cjs',
) as { cacheFolder(environment: Variables): string };

/** Environment variables by name. */
export type Variables = Record<string, string | undefined>;

/** What the environment asks for; options given in code go before it. docs/environment.md has the table. */
export interface Environment {
  /** `LIBTORCH`: the LibTorch to use, a torch folder or its parent. */
  libtorch: string | undefined;
  /** `LATENTRAY_CACHE`: the folder where a fetched LibTorch lies; `~/.cache/latentray` by default. */
  cache: string;
  /** `LATENTRAY_ADDON`: the addon file to load. */
  addon: string | undefined;
  /** `LATENTRAY_THREADS`: how many threads one operation may use, 1 to 1024. */
  threads: number | undefined;
  /** `LATENTRAY_DEVICE`: the device where none is named, such as `cpu` or `cuda:1`. */
  device: string | undefined;
}

/**
 * Reads every environment variable that the library knows; an empty one counts as absent.
 *
 * @throws `ERR_INVALID_ARG` when `LATENTRAY_THREADS` is no integer from 1 to 1024.
 */
export function readEnvironment(variables: Variables = process.env): Environment {
  return {
    libtorch: variables.LIBTORCH || undefined,
    cache: cacheFolder(variables),
    addon: variables.LATENTRAY_ADDON || undefined,
    threads: readThreads(variables.LATENTRAY_THREADS),
    device: variables.LATENTRAY_DEVICE || undefined,
  };
}

function readThreads(text: string | undefined): number | undefined {
  if (!text) return undefined;
  return checkThreads('LATENTRAY_THREADS', /^\d+$/.test(text) ? Number(text) : text);
}

const mostThreads = 1024;

/** A number of threads, wherever it comes from. `ERR_INVALID_ARG` for anything but 1 to 1024. */
export function checkThreads(name: string, value: unknown): number {
  const valid = Number.isSafeInteger(value) && (value as number) >= 1;
  if (valid && (value as number) <= mostThreads) return value as number;
  throw invalidArgument(name, `an integer from 1 to ${mostThreads}`, value);
}
