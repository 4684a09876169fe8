// Finds LibTorch and reads its version from its files; opens nothing. Plain CommonJS: the install
// script runs it before any TypeScript is compiled, and src/native/load-addon.ts at run time.
'use strict';

const { spawnSync } = require('node:child_process');
const { existsSync, readFileSync } = require('node:fs');
const { homedir } = require('node:os');
const { dirname, join, resolve } = require('node:path');

/** The release that is fetched where no LibTorch is found. */
const FETCHED_VERSION = '2.13.0';
const SUPPORTED_MINORS = ['2.11', '2.12', '2.13', '2.14'];
const SUPPORTED_RANGE = 'LibTorch 2.11 to 2.14';

/**
 * @typedef {'LIBTORCH' | 'addon' | 'python' | 'cache'} Source
 *   Where a LibTorch was found; 'addon' is the one that the addon was built with.
 *
 * @typedef {object} LibTorch
 * @property {string} path the torch folder, with lib/libtorch_cpu.so
 * @property {string} version such as '2.13.0+cpu'
 * @property {string} minor such as '2.13'
 * @property {Source} source
 * @property {string | null} cuda the CUDA version that it was built for
 *
 * @typedef {object} Skipped
 * @property {Source} source
 * @property {string} code ERR_LIBTORCH_NOT_FOUND or ERR_LIBTORCH_VERSION
 * @property {string} reason one sentence
 *
 * @typedef {object} Search
 * @property {string | undefined} [explicit] LIBTORCH's value: taken, or an error
 * @property {string | undefined} [builtWith] the torch folder that the addon was built with
 * @property {string} cache the project's cache folder
 * @property {string[] | undefined} [minors] accept only these minor versions (LIBTORCH excepted)
 * @property {string} [python] the interpreter to ask; '' asks none
 */

/**
 * The project's cache folder.
 * @param {Record<string, string | undefined>} environment
 */
function cacheFolder(environment) {
  if (environment.LATENTRAY_CACHE) return resolve(environment.LATENTRAY_CACHE);
  const base = environment.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(base, 'latentray');
}

/**
 * Where a fetched LibTorch lies; its torch/ is the folder that findLibtorch returns.
 * @param {string} cache
 */
function fetchedFolder(cache) {
  return join(cache, `libtorch-${FETCHED_VERSION}`);
}

/**
 * The first usable LibTorch of: LIBTORCH, the addon's own, python3's torch, the cache. Candidates that
 * cannot be used are skipped and listed; an explicit one that cannot be used throws.
 * @param {Search} search
 * @returns {{ libtorch: LibTorch | null, skipped: Skipped[] }}
 */
function findLibtorch({ explicit, builtWith, cache, minors, python = 'python3' }) {
  if (explicit) return { libtorch: inspect(explicit, 'LIBTORCH'), skipped: [] };
  /** @type {Skipped[]} */
  const skipped = [];
  const candidates = [
    () => builtWith && inspect(builtWith, 'addon', minors),
    () => python && inspect(torchOfPython(python), 'python', minors),
    () => inspect(fetchedFolder(cache), 'cache', minors),
  ];
  for (const candidate of candidates) {
    try {
      const libtorch = candidate();
      if (libtorch) return { libtorch, skipped };
    } catch (error) {
      if (!error.source) throw error;
      skipped.push({ source: error.source, code: error.code, reason: error.message });
    }
  }
  return { libtorch: null, skipped };
}

/**
 * @param {string} folder a torch folder or its parent
 * @param {Source} source
 * @param {string[]} [minors]
 * @returns {LibTorch}
 */
function inspect(folder, source, minors = SUPPORTED_MINORS) {
  const subject = source === 'LIBTORCH' ? `LIBTORCH=${folder}` : folder;
  const path = [folder, join(folder, 'torch'), join(folder, 'libtorch')]
    .map((candidate) => resolve(candidate))
    .find((candidate) => existsSync(join(candidate, 'lib', 'libtorch_cpu.so')));
  if (!path) {
    throw failure('ERR_LIBTORCH_NOT_FOUND', source, `${subject} has no lib/libtorch_cpu.so`);
  }
  const { version, cuda } = readVersion(path);
  const minor = /^\d+\.\d+/.exec(version ?? '')?.[0];
  const accepted = source === 'LIBTORCH' ? SUPPORTED_MINORS : minors;
  if (!version || !minor || !accepted.includes(minor)) {
    const required = accepted === SUPPORTED_MINORS ? SUPPORTED_RANGE : accepted.join(' or ');
    throw failure(
      'ERR_LIBTORCH_VERSION',
      source,
      `${subject}: found LibTorch ${version ?? 'of unknown version'}, required ${required}`,
      { path, found: version, required },
    );
  }
  const hasCuda = existsSync(join(path, 'lib', 'libtorch_cuda.so'));
  return { path, version, minor, source, cuda: hasCuda ? (cuda ?? 'unknown') : null };
}

/**
 * @param {string} path
 * @returns {{ version: string | undefined, cuda: string | undefined }}
 */
function readVersion(path) {
  // In this order: a wheel, a LibTorch archive, and any of them by its headers.
  const python = read(join(path, 'version.py'));
  const version =
    /^__version__ = '([^']+)'/m.exec(python)?.[1] ??
    /^\d\S*/.exec(read(join(path, 'build-version')))?.[0] ??
    versionOfHeader(join(path, 'include/torch/headeronly/version.h')) ??
    versionOfHeader(join(path, 'include/torch/csrc/api/include/torch/version.h'));
  const digits = /\+cu(\d+)(\d)$/.exec(version ?? '');
  const cuda =
    /^cuda\b.*= '([^']+)'/m.exec(python)?.[1] ?? (digits ? `${digits[1]}.${digits[2]}` : undefined);
  return { version, cuda };
}

/** @param {string} path */
function versionOfHeader(path) {
  return /#define TORCH_VERSION\s+(?:\\\s*)?"([^"]+)"/.exec(read(path))?.[1];
}

/** @param {string} path */
function read(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

// Finding the module takes 20 ms, importing it 2 s. The current folder is left out: a folder of the
// user's that is called torch is no PyTorch.
const PYTHON_PROBE = `
import importlib.util, sys
sys.path = [entry for entry in sys.path if entry]
spec = importlib.util.find_spec('torch')
print(spec.origin if spec and spec.origin else '')`;

/** @param {string} python */
function torchOfPython(python) {
  const probe = spawnSync(python, ['-c', PYTHON_PROBE], { encoding: 'utf8', timeout: 20_000 });
  if (probe.status !== 0) {
    throw failure('ERR_LIBTORCH_NOT_FOUND', 'python', `${python} cannot be run`);
  }
  const origin = probe.stdout.trim();
  if (!origin) throw failure('ERR_LIBTORCH_NOT_FOUND', 'python', `${python} has no torch`);
  return dirname(origin);
}

/**
 * @param {string} code
 * @param {Source} source
 * @param {string} message
 * @param {object} [fields]
 */
function failure(code, source, message, fields = {}) {
  return Object.assign(new Error(message), { code, source, ...fields });
}

module.exports = { FETCHED_VERSION, SUPPORTED_RANGE, cacheFolder, fetchedFolder, findLibtorch };
