// npm's install script: takes a prebuilt addon that fits, or finds (or fetches) LibTorch and builds one.
// `--build` builds even where a prebuilt addon fits; `--native-tests` builds the native test program too.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildAddon } from './build-addon.mjs';
import { fetchLibtorch } from './fetch-libtorch.mjs';
import addon from './find-addon.cjs';
import find from './find-libtorch.cjs';
import { missingBuildTools, missingFetchTools } from './toolchain.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = find.cacheFolder(process.env);

function install({ build, nativeTests }) {
  const prebuilt = build ? [] : addon.prebuiltAddons(root);
  if (prebuilt.length > 0 && usePrebuilt(prebuilt, search(prebuilt))) return;

  let found = search();
  const noBuild = missingBuildTools();
  const noFetch = missingFetchTools();
  const mayFetch = !process.env.LIBTORCH && noFetch.length === 0;
  if (mayFetch && prebuilt.some(isForFetched) && (!found.libtorch || noBuild.length > 0)) {
    found = fetch();
    if (usePrebuilt(prebuilt, found)) return;
  }
  if (noBuild.length > 0 || !(found.libtorch || mayFetch)) {
    throw new Error(whatIsMissing(found, noBuild, noFetch));
  }
  if (!found.libtorch) found = fetch();
  buildAddon(root, found.libtorch, { nativeTests });
}

function isForFetched({ minor }) {
  return find.FETCHED_VERSION.startsWith(`${minor}.`);
}

/** LibTorch for one of these addons, or any that is supported. */
function search(addons) {
  const minors = addons?.map(({ minor }) => minor);
  return find.findLibtorch({ explicit: process.env.LIBTORCH, cache, minors });
}

function fetch() {
  fetchLibtorch(cache);
  return find.findLibtorch({ cache, python: '' });
}

function usePrebuilt(prebuilt, { libtorch }) {
  const fitting = prebuilt.find(({ minor }) => minor === libtorch?.minor);
  if (!fitting) return false;
  const program = fileURLToPath(new URL('open-libtorch.cjs', import.meta.url));
  const trial = spawnSync(process.execPath, [program, libtorch.path, fitting.path]);
  if (trial.status !== 0) return false;
  console.error(
    `latentray: using ${fitting.path} with LibTorch ${libtorch.version} (${libtorch.path})`,
  );
  return true;
}

function whatIsMissing({ libtorch, skipped }, noBuild, noFetch) {
  const lines = [
    'latentray has no prebuilt addon that fits this machine, and to build one it lacks:',
  ];
  lines.push(...noBuild.map((line) => `  - ${line}`));
  if (!libtorch) {
    lines.push(
      `  - ${find.SUPPORTED_RANGE}: set LIBTORCH to its folder, or install torch for python3`,
      ...skipped.map(({ reason }) => `      looked: ${reason}`),
      ...noFetch.map((line) => `  - ${line}`),
    );
  }
  lines.push('Then run `npm rebuild latentray` (in a clone of latentray: `npm ci`).');
  return lines.join('\n');
}

const { values } = parseArgs({
  options: { build: { type: 'boolean' }, 'native-tests': { type: 'boolean' } },
});
if (process.env.LATENTRAY_SKIP_BUILD === '1' && !values.build) {
  console.error('latentray: LATENTRAY_SKIP_BUILD=1, so no addon is looked for or built');
} else {
  try {
    install({ build: values.build, nativeTests: values['native-tests'] });
  } catch (error) {
    console.error(`\nlatentray: ${error.message}`);
    process.exitCode = 1;
  }
}
