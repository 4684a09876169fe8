import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { debuglog } from 'node:util';
import { type Environment, readEnvironment } from '../environment.js';
import { LatentrayError } from '../errors.js';
import type { Addon } from './addon-types.js';
import {
  type AddonFile,
  builtAddon,
  type LibTorch,
  openLibtorch,
  prebuiltAddons,
  requireLibtorch,
} from './libtorch.js';
import { explainLoadFailure } from './load-failure.js';
import { packageRoot } from './package-root.js';

const debug = debuglog('latentray');

/** The addon with the LibTorch that it runs on. */
export interface LoadedAddon {
  addon: Addon;
  /** The addon's file. */
  path: string;
  libtorch: LibTorch;
}

let loaded: LoadedAddon | undefined;

/**
 * The addon, loaded at the first call in each thread. A failed load is tried again at the next call.
 *
 * @throws `ERR_NATIVE_LOAD`, `ERR_LIBTORCH_NOT_FOUND` or `ERR_LIBTORCH_VERSION`, the remedy last.
 */
export function loadAddon(environment?: Environment): LoadedAddon {
  loaded ??= load(environment ?? readEnvironment());
  return loaded;
}

function load(environment: Environment): LoadedAddon {
  if (process.platform !== 'linux') {
    throw new LatentrayError(
      'ERR_NATIVE_LOAD',
      `latentray runs on Linux with glibc; this is ${process.platform}-${process.arch}`,
    );
  }
  const addons = addonFiles(environment);
  const libtorch = requireLibtorch(environment, addons);
  const file = addons.find(({ minor }) => minor === undefined || minor === libtorch.minor);
  if (!file) throw noAddonFor(libtorch, addons);
  debug('LibTorch %s (%s, from %s)', libtorch.version, libtorch.path, libtorch.source);
  debug('addon %s', file.path);
  const addon = open(file, libtorch);
  if (environment.threads !== undefined) addon.setThreads(environment.threads);
  return { addon, path: file.path, libtorch };
}

function addonFiles({ addon }: Environment): AddonFile[] {
  if (addon) return [namedAddon(addon)];
  const built = builtAddon(packageRoot);
  const addons = [...(built ? [built] : []), ...prebuiltAddons(packageRoot)];
  if (addons.length > 0) return addons;
  throw new LatentrayError(
    'ERR_NATIVE_LOAD',
    `latentray's addon is neither in build/Release nor in prebuilds/${process.platform}-${process.arch} ` +
      `of ${packageRoot}\nRun \`npm rebuild latentray\` (in a clone of latentray: ` +
      '`npm run build:native`); install scripts must be allowed.',
    { path: packageRoot },
  );
}

function namedAddon(addon: string): AddonFile {
  const path = resolve(addon);
  if (existsSync(path)) return { path };
  throw new LatentrayError(
    'ERR_NATIVE_LOAD',
    `LATENTRAY_ADDON=${addon}: there is no such file\nSet it to a latentray.node, or unset it.`,
    { path },
  );
}

function noAddonFor({ version, minor, path }: LibTorch, addons: AddonFile[]): LatentrayError {
  const required = addons.map((addon) => addon.minor).join(' or ');
  return new LatentrayError(
    'ERR_LIBTORCH_VERSION',
    `LIBTORCH names LibTorch ${version} (${path}), and the addon was built for ${required}\n` +
      `Run \`npm rebuild latentray\` to build it for ${minor}, or set LIBTORCH to a LibTorch ${required}.`,
    { path, found: version, required },
  );
}

function open(file: AddonFile, libtorch: LibTorch): Addon {
  try {
    openLibtorch(libtorch.path);
    return createRequire(join(packageRoot, 'package.json'))(file.path);
  } catch (error) {
    throw explainLoadFailure(error, file, libtorch);
  }
}
