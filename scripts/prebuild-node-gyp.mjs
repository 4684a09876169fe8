#!/usr/bin/env node
// What prebuildify runs in place of node-gyp: builds the addon with cmake-js and hands it a copy.
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAddon } from './build-addon.mjs';
import addon from './find-addon.cjs';
import find from './find-libtorch.cjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { libtorch } = find.findLibtorch({
  explicit: process.env.LIBTORCH,
  cache: find.cacheFolder(process.env),
});
buildAddon(root, libtorch);
const folder = join(process.cwd(), 'build', 'Release');
mkdirSync(folder, { recursive: true });
copyFileSync(addon.builtAddon(root).path, join(folder, 'latentray.node'));
