#!/usr/bin/env node
// What prebuildify runs in place of node-gyp: hands it a copy of the addon that prebuild.mjs had built.
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import addon from './find-addon.cjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(process.cwd(), 'build', 'Release');
mkdirSync(folder, { recursive: true });
copyFileSync(addon.builtAddon(root).path, join(folder, 'latentray.node'));
