import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import ts from 'typescript';
import { packageRoot } from '../../src/native/package-root.js';
import { runPrograms } from './run-program.js';
import { sampleFolder } from './sample-files.js';

const guides = readdirSync(join(packageRoot, 'docs/guide')).map((name) => `docs/guide/${name}`);
const others = readdirSync(join(packageRoot, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);

function read(page: string): string {
  return readFileSync(join(packageRoot, page), 'utf8');
}

/** The programs of a page: its ```ts blocks. */
function programs(page: string): string[] {
  return [...read(page).matchAll(/^```ts\n(.*?)^```$/gms)].map(([, source = '']) => source);
}

for (const page of ['README.md', ...guides]) {
  t.test(`the programs in ${page} run`, async (t) => {
    const folder = await sampleFolder(t);
    const sources = programs(page);
    t.ok(sources.length >= 3);
    await t.resolves(runPrograms(folder, sources));
  });
}

t.test('the programs have no type errors', async (t) => {
  const sources = ['README.md', ...guides].flatMap(programs);
  const folder = t.testdir();
  const files = sources.map((source, index) => {
    const file = join(folder, `program-${index}.mts`);
    writeFileSync(file, source);
    return file;
  });
  const config = ts.readConfigFile(join(packageRoot, 'tsconfig.json'), ts.sys.readFile).config;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, packageRoot);
  const program = ts.createProgram(files, { ...options, noEmit: true });
  const found = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file?.text.slice(start).split('\n')[0];
    return `${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
  t.same(found, []);
});

t.test('every link to a file leads somewhere', async (t) => {
  for (const page of ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', ...others, ...guides]) {
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^https?:/.test(target)) continue;
      t.ok(existsSync(join(packageRoot, dirname(page), target)), `${page}: ${target}`);
    }
  }
});

t.test('README names the commands of the command line and their options', async (t) => {
  const help = (...args: string[]) =>
    execFileSync(process.execPath, [join(packageRoot, 'dist/esm/cli/main.js'), ...args, '--help'], {
      encoding: 'utf8',
    });
  const rows = [...read('README.md').matchAll(/^\| `latentray (\w+)(.*)\|$/gm)];
  const commands = [...help().matchAll(/^ {2}(\w+) (?:\[|<)/gm)].map(([, name = '']) => name);
  t.same(
    rows.map(([, name]) => name),
    commands.filter((name) => name !== 'help'),
  );
  for (const [, name = '', row = ''] of rows) {
    const options = [...help(name).matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, o = '']) => o);
    for (const option of options.filter(
      (each) => !['--help', '--json', '--model'].includes(each),
    )) {
      t.ok(row.includes(`${option}\``) || row.includes(`${option} `), `${name} ${option}`);
    }
    for (const [named] of row.matchAll(/--[\w-]+/g)) {
      t.ok(options.includes(named), `${name} has ${named}`);
    }
  }
});
