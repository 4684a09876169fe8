// Where a compiled addon can lie: build/Release (built here) before prebuilds/ (shipped in the package).
'use strict';

const { existsSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const BUILT = join('build', 'Release', 'latentray.node');
const BUILT_WITH = join('build', 'Release', 'latentray.json');

/**
 * @typedef {object} AddonFile
 * @property {string} path
 * @property {string | undefined} minor the LibTorch minor version that it needs, where it is known
 * @property {string | undefined} [builtWith] the torch folder that it was built with
 */

/**
 * The addon that was built in this package.
 * @param {string} root the package's folder
 * @returns {AddonFile | null}
 */
function builtAddon(root) {
  const path = join(root, BUILT);
  if (!existsSync(path)) return null;
  const record = join(root, BUILT_WITH);
  if (!existsSync(record)) return { path, minor: undefined };
  const { minor, builtWith } = JSON.parse(readFileSync(record, 'utf8'));
  return { path, minor, builtWith };
}

/**
 * Writes down what the built addon was built with.
 * @param {string} root
 * @param {import('./find-libtorch.cjs').LibTorch} libtorch
 */
function recordBuild(root, { minor, path }) {
  writeFileSync(join(root, BUILT_WITH), `${JSON.stringify({ minor, builtWith: path })}\n`);
}

/**
 * prebuilds/<platform>-<architecture>/latentray-torch<minor>.node, the newest LibTorch first.
 * @param {string} root
 * @returns {AddonFile[]}
 */
function prebuiltAddons(root) {
  const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((name) => {
      const minor = /^latentray-torch(\d+\.\d+)\.node$/.exec(name)?.[1];
      return minor ? [{ path: join(folder, name), minor }] : [];
    })
    .sort((a, b) => b.minor.localeCompare(a.minor, 'en', { numeric: true }));
}

module.exports = { builtAddon, prebuiltAddons, recordBuild };
