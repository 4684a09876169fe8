// Fetches LibTorch into the project's cache: PyTorch's CPU wheel, of which only the C++ part is kept.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import find from './find-libtorch.cjs';

const REQUIREMENT = `torch==${find.FETCHED_VERSION}+cpu`;
const PIP_INSTALL =
  '-m pip install --no-deps --no-compile --no-input --disable-pip-version-check --retries 1 --timeout 15';
// The wheel for any Python will do: nothing of Python is kept.
const PUBLIC_INDEX =
  '--extra-index-url https://download.pytorch.org/whl/cpu --only-binary=:all: --python-version 3.12';

const KEPT_IN_TORCH = /^(lib|include|share|version\.py|LICENSE.*|NOTICE.*)$/;
const DAY = 24 * 60 * 60 * 1000;

/**
 * Puts LibTorch into the cache, whole or not at all, and returns its torch folder.
 * @param {string} cache
 */
export function fetchLibtorch(cache) {
  const destination = find.fetchedFolder(cache);
  const partial = `${destination}.partial-${process.pid}`;
  mkdirSync(cache, { recursive: true });
  removeAbandoned(cache);
  try {
    console.error(`latentray: fetching ${REQUIREMENT} (about 190 MB) with pip into ${destination}`);
    pipInstall(partial);
    keepLibtorch(partial);
    publish(partial, destination);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return join(destination, 'torch');
}

function pipInstall(target) {
  const attempts = [
    ['the indexes that pip is configured for', ''],
    ["PyTorch's public index", PUBLIC_INDEX],
  ];
  const failures = [];
  for (const [origin, options] of attempts) {
    const args = `${PIP_INSTALL} ${options}`.trim().split(' ');
    // pip refuses --target together with a configured --user.
    const { status, stderr } = spawnSync('python3', [...args, '--target', target, REQUIREMENT], {
      env: { ...process.env, PIP_USER: '0' },
      stdio: ['ignore', 2, 'pipe'],
      encoding: 'utf8',
    });
    if (status === 0) return;
    failures.push(`  from ${origin}: ${lastError(stderr)}`);
    rmSync(target, { recursive: true, force: true });
  }
  throw new Error(
    [
      `LibTorch could not be fetched: pip found no ${REQUIREMENT}`,
      ...failures,
      `Set LIBTORCH to a ${find.SUPPORTED_RANGE} folder, install torch for python3, or point pip at an ` +
        'index that has it.',
    ].join('\n'),
  );
}

function lastError(stderr) {
  const lines = stderr.trim().split('\n');
  return lines.findLast((line) => line.startsWith('ERROR')) ?? lines.at(-1);
}

function keepLibtorch(folder) {
  for (const name of readdirSync(folder)) {
    if (name !== 'torch' && !name.endsWith('.dist-info')) remove(join(folder, name));
  }
  for (const name of readdirSync(join(folder, 'torch'))) {
    if (!KEPT_IN_TORCH.test(name)) remove(join(folder, 'torch', name));
  }
}

/** What lies at the destination was found unusable, unless another install has just published it. */
function publish(partial, destination) {
  const { libtorch } = find.findLibtorch({ cache: dirname(destination), python: '' });
  if (libtorch) return;
  remove(destination);
  renameSync(partial, destination);
}

/** An install that was killed leaves its folder behind. */
function removeAbandoned(cache) {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    if (name.includes('.partial-') && Date.now() - statSync(path).mtimeMs > DAY) remove(path);
  }
}

function remove(path) {
  rmSync(path, { recursive: true, force: true });
}
