import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/native/package-root.js';

const code = /\bERR_[A-Z]+(?:_[A-Z]+)*\b/g;
const sources = /\.(cpp|cc|h|ts|cts|cjs|mjs)$/;

/** Every source file of a folder, native/tests left out. */
function read(folder: string): string[] {
  return readdirSync(join(packageRoot, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && sources.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes(join('native', 'tests')))
    .map((path) => readFileSync(path, 'utf8'));
}

const texts = ['native', 'binding', 'src', 'scripts'].flatMap(read);
const table = readFileSync(join(packageRoot, 'docs/errors.md'), 'utf8');
const rows = [...table.matchAll(/^\| `(ERR_[A-Z_]+)` \|(.*)\|(.*)\|$/gm)];
const listed = rows.map(([, name = '']) => name);

/** A code in quotes is one that is raised; elsewhere it is only spoken of. */
const raised = new Set(
  texts.flatMap((text) => [...text.matchAll(/['"](ERR_[A-Z_]+[A-Z])['"]/g)].map(([, c = '']) => c)),
);

t.test('the table of errors has every code that is raised, once', async (t) => {
  t.same([...raised].sort(), [...listed].sort());
});

t.test('every code that a docstring speaks of is one that is raised', async (t) => {
  const mentioned = new Set(texts.flatMap((text) => text.match(code) ?? []));
  t.same(
    [...mentioned].filter((name) => !raised.has(name)),
    [],
  );
});

t.test('every code has a meaning and a remedy', async (t) => {
  for (const [, name = '', meaning = '', remedy = ''] of rows) {
    t.ok(meaning.trim().length > 20 && remedy.trim().length > 10, name);
  }
});
