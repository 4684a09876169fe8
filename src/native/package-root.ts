import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { modulePath } from './module-path.js';

/**
 * The package's folder, which holds scripts/, build/ and prebuilds/. dist/esm and dist/commonjs have a
 * package.json of their own, hence the look at the name.
 */
export const packageRoot = findPackageRoot(dirname(modulePath));

/** The package's version. */
export const packageVersion: string = readManifest(packageRoot).version;

function findPackageRoot(folder: string): string {
  if (readManifest(folder).name === 'latentray') return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error(`no package.json of latentray above ${modulePath}`);
  return findPackageRoot(parent);
}

function readManifest(folder: string) {
  const path = join(folder, 'package.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
}
