import { createRequire } from 'node:module';
import { join } from 'node:path';
import { LatentrayError } from '../errors.js';
import { packageRoot } from './package-root.js';

/** A LibTorch on this machine. */
export interface LibTorch {
  /** The torch folder, with lib/libtorch_cpu.so. */
  path: string;
  /** Such as `2.13.0+cpu`. */
  version: string;
  /** Such as `2.13`; an addon is built for one minor version. */
  minor: string;
  /** Where it was found: the variable, the addon's own, python3's torch, the cache. */
  source: 'LIBTORCH' | 'addon' | 'python' | 'cache';
  /** The CUDA version that it was built for. */
  cuda: string | null;
}

/** A compiled addon, and what is known of the LibTorch that it needs. */
export interface AddonFile {
  path: string;
  minor?: string;
  builtWith?: string;
}

interface Skipped {
  source: LibTorch['source'];
  code: string;
  reason: string;
}

interface Search {
  explicit: string | undefined;
  builtWith: string | undefined;
  cache: string;
  minors: string[] | undefined;
}

// The install script shares these with us and runs before there is any TypeScript: they are CommonJS.
const load = createRequire(join(packageRoot, 'package.json'));
const { findLibtorch, SUPPORTED_RANGE } = load('./scripts/find-libtorch.cjs') as {
  findLibtorch(search: Search): { libtorch: LibTorch | null; skipped: Skipped[] };
  SUPPORTED_RANGE: string;
};

/** Opens LibTorch in this process, once however often it is asked for. */
export const { openLibtorch } = load('./scripts/open-libtorch.cjs') as {
  openLibtorch(path: string): void;
};

/** The addons that this package has on disk. */
export const { builtAddon, prebuiltAddons } = load('./scripts/find-addon.cjs') as {
  builtAddon(root: string): AddonFile | null;
  prebuiltAddons(root: string): AddonFile[];
};

/**
 * The first LibTorch that one of the addons can use: `LIBTORCH`, the one that the addon was built with,
 * python3's torch, the cache.
 *
 * @throws `ERR_LIBTORCH_NOT_FOUND`, or `ERR_LIBTORCH_VERSION` when those that are there do not fit.
 */
export function requireLibtorch(
  { libtorch: explicit, cache }: { libtorch: string | undefined; cache: string },
  addons: AddonFile[],
): LibTorch {
  const known = addons.every(({ minor }) => minor !== undefined);
  const minors = known ? addons.flatMap(({ minor }) => minor ?? []) : undefined;
  const builtWith = addons.find((addon) => addon.builtWith)?.builtWith;
  const found = search({ explicit, builtWith, cache, minors });
  if (found.libtorch) return found.libtorch;
  throw notFound(found.skipped, minors);
}

function search(where: Search) {
  try {
    return findLibtorch(where);
  } catch (error) {
    if (!isUnusable(error)) throw error;
    const { code, message, path, found, required } = error;
    const remedy = `Set LIBTORCH to the folder of a ${SUPPORTED_RANGE}, or unset it to look elsewhere.`;
    throw new LatentrayError(code, `${message}\n${remedy}`, { path, found, required });
  }
}

interface UnusableLibtorch extends Error {
  code: string;
  path?: string;
  found?: string;
  required?: string;
}

function isUnusable(error: unknown): error is UnusableLibtorch {
  return String((error as UnusableLibtorch).code).startsWith('ERR_LIBTORCH_');
}

function notFound(skipped: Skipped[], minors: string[] | undefined): LatentrayError {
  const code =
    skipped.find((candidate) => candidate.code === 'ERR_LIBTORCH_VERSION')?.code ??
    'ERR_LIBTORCH_NOT_FOUND';
  const required = minors ? `LibTorch ${minors.join(' or ')}` : SUPPORTED_RANGE;
  const looked = skipped.map(({ source, reason }) => `  ${source}: ${reason}`);
  const message = [
    `${required} was not found; looked at`,
    '  LIBTORCH: not set',
    ...looked,
    'Set LIBTORCH to its folder, install that torch for python3, or run `npm rebuild latentray`, ' +
      'which takes what is there or fetches one.',
  ];
  return new LatentrayError(code, message.join('\n'), { required, skipped });
}
