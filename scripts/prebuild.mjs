// npm run prebuild: prebuilds/<platform>-<architecture>/latentray-torch<minor>.node, stripped, for the
// LibTorch that is found. One addon for every LibTorch minor: run it again with another LIBTORCH.
// `--out <folder>` puts prebuilds/ there; `--no-build` takes the addon in build/Release as it is.
import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import prebuildify from 'prebuildify';
import { buildAddon } from './build-addon.mjs';
import addon from './find-addon.cjs';
import find from './find-libtorch.cjs';

const scripts = dirname(fileURLToPath(import.meta.url));
const root = dirname(scripts);
const { values } = parseArgs({
  options: { out: { type: 'string', default: root }, build: { type: 'boolean', default: true } },
  allowNegative: true,
});
const out = resolve(values.out);

const { libtorch } = find.findLibtorch({
  explicit: process.env.LIBTORCH,
  builtWith: addon.builtAddon(root)?.builtWith,
  cache: find.cacheFolder(process.env),
});
if (!libtorch)
  throw new Error('no LibTorch: run `npm run build:native`, which finds or fetches one');

if (values.build) buildAddon(root, libtorch);
const built = addon.builtAddon(root);
if (built?.minor !== libtorch.minor) {
  throw new Error(`build/Release has no addon for LibTorch ${libtorch.minor}`);
}

// prebuildify takes away the addon that it finds in build/Release: it gets a folder of its own.
const staging = join(root, 'build', 'prebuild');
mkdirSync(staging, { recursive: true });
await promisify(prebuildify)({
  cwd: staging,
  out,
  name: `latentray-torch${libtorch.minor}`,
  napi: true,
  strip: true,
  nodeGyp: join(scripts, 'prebuild-node-gyp.mjs'),
});

const made = addon.prebuiltAddons(out).find(({ minor }) => minor === libtorch.minor);
if (!made) throw new Error(`prebuildify left no latentray-torch${libtorch.minor}.node in ${out}`);
const trial = spawnSync(
  process.execPath,
  [join(scripts, 'open-libtorch.cjs'), libtorch.path, made.path],
  { stdio: 'inherit' },
);
if (trial.status !== 0) throw new Error(`${made.path} does not load`);
const megabytes = (statSync(made.path).size / 1e6).toFixed(1);
console.log(`${relative(process.cwd(), made.path)}: ${megabytes} MB, LibTorch ${libtorch.minor}`);
