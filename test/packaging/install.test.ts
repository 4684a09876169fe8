import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { packageRoot } from '../../src/native/package-root.js';

function runNode(args: string[], env: Record<string, string>) {
  return spawnSync(process.execPath, args, { cwd: packageRoot, encoding: 'utf8', env });
}

t.test('everything that is missing is said in one error, each with its remedy', async (t) => {
  const nothing = t.testdir({});
  const { status, stderr } = runNode(['scripts/install.mjs', '--build'], {
    PATH: nothing,
    LATENTRAY_CACHE: join(nothing, 'cache'),
  });
  t.equal(status, 1);
  for (const line of [
    /no C\+\+ compiler: apt-get install g\+\+/,
    /no CMake: apt-get install cmake/,
    /neither make nor ninja: apt-get install make/,
    /LibTorch 2\.11 to 2\.14: set LIBTORCH/,
    /no python3, to fetch LibTorch with pip: apt-get install python3-pip/,
    /Then run `npm rebuild latentray`/,
  ]) {
    t.match(stderr, line);
  }
  t.notMatch(stderr, /at .*\.mjs:\d+/, 'without a stack');
});

t.test('a compiler that does not run is as good as none', async (t) => {
  const { stderr } = runNode(['scripts/install.mjs', '--build'], { PATH: '', CXX: '/bin/false' });
  t.match(stderr, /CXX=\/bin\/false does not run: apt-get install g\+\+/);
});

t.test('LATENTRAY_SKIP_BUILD=1 leaves everything as it is', async (t) => {
  const { status, stderr } = runNode(['scripts/install.mjs'], { LATENTRAY_SKIP_BUILD: '1' });
  t.equal(status, 0);
  t.match(stderr, /LATENTRAY_SKIP_BUILD=1/);
});

// Stands for python3: its pip notes its arguments and "installs" a wheel, at the attempt named by PIP_WORKS_AT.
const PYTHON = `#!/bin/sh
echo "$*" >> "$PIP_LOG"
[ "$(wc -l < "$PIP_LOG")" = "$PIP_WORKS_AT" ] || { echo 'ERROR: no such torch' >&2; exit 1; }
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/torch/lib" "$2/torch/include" "$2/torch/nn" "$2/torch-2.13.0.dist-info" "$2/torchgen" "$2/bin"
touch "$2/torch/lib/libtorch_cpu.so" "$2/torch/__init__.py"
echo "__version__ = '2.13.0+cpu'" > "$2/torch/version.py"
`;
const FETCH = `import { fetchLibtorch } from './scripts/fetch-libtorch.mjs';
console.log(fetchLibtorch(process.argv[1]));`;

t.test('fetching LibTorch', async (t) => {
  function fetchWith(t: Test, worksAt: number) {
    const folder = t.testdir({ bin: { python3: PYTHON }, cache: {} });
    chmodSync(join(folder, 'bin', 'python3'), 0o755);
    const run = runNode(['--input-type=module', '-e', FETCH, '--', join(folder, 'cache')], {
      PATH: `${join(folder, 'bin')}:/usr/bin:/bin`,
      PIP_LOG: join(folder, 'log'),
      PIP_WORKS_AT: String(worksAt),
    });
    const attempts = readFileSync(join(folder, 'log'), 'utf8').trim().split('\n');
    return { ...run, attempts, cache: join(folder, 'cache') };
  }

  t.test('asks the configured indexes and keeps only the C++ part', async (t) => {
    const { status, stdout, attempts, cache } = fetchWith(t, 1);
    t.equal(status, 0);
    t.equal(attempts.length, 1);
    t.match(attempts[0], /--no-deps .*torch==2\.13\.0\+cpu$/);
    t.notMatch(attempts[0], /index-url/);
    const folder = join(cache, 'libtorch-2.13.0');
    t.equal(stdout.trim(), join(folder, 'torch'));
    t.same(readdirSync(cache), ['libtorch-2.13.0']);
    t.same(readdirSync(folder).sort(), ['torch', 'torch-2.13.0.dist-info']);
    t.same(readdirSync(join(folder, 'torch')).sort(), ['include', 'lib', 'version.py']);
  });

  t.test("asks PyTorch's public index when the configured ones lack it", async (t) => {
    const { status, attempts } = fetchWith(t, 2);
    t.equal(status, 0);
    t.match(attempts[1], /--extra-index-url/);
  });

  t.test('leaves nothing behind when both fail, and says why', async (t) => {
    const { status, stderr, cache } = fetchWith(t, 9);
    t.equal(status, 1);
    t.match(stderr, /LibTorch could not be fetched.*ERROR: no such torch.*Set LIBTORCH to/s);
    t.same(readdirSync(cache), []);
  });
});

t.test('the files that the install script needs are in the package', async (t) => {
  const { files } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  const packed = files.filter((file: string) => file.startsWith('scripts/'));
  for (const file of packed) {
    t.ok(existsSync(join(packageRoot, file)), file);
    const text = readFileSync(join(packageRoot, file), 'utf8');
    for (const [, imported] of text.matchAll(/from '\.\/([^']+)'/g)) {
      t.ok(packed.includes(`scripts/${imported}`), `${file} imports ${imported}`);
    }
  }
});
