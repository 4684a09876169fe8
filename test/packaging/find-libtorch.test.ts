import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type AddonFile, requireLibtorch } from '../../src/native/libtorch.js';

const anyMinor: AddonFile[] = [{ path: 'latentray.node' }];
const wheel = (version: string, cuda?: string) => ({
  lib: { 'libtorch_cpu.so': '', ...(cuda ? { 'libtorch_cuda.so': '' } : {}) },
  'version.py': `__version__ = '${version}'\ncuda: Optional[str] = ${cuda ? `'${cuda}'` : 'None'}\n`,
});

/** Puts a python3 first on PATH whose torch is in `folder`. */
function fakePython(t: Test, folder: string): void {
  const bin = mkdtempSync(join(tmpdir(), 'latentray-python-'));
  const answer = folder && join(folder, '__init__.py');
  writeFileSync(join(bin, 'python3'), `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 });
  const path = process.env.PATH;
  process.env.PATH = `${bin}:${path}`;
  t.teardown(() => {
    process.env.PATH = path;
    rmSync(bin, { recursive: true });
  });
}

t.test('LIBTORCH may be a torch folder or its parent', async (t) => {
  const folder = t.testdir({ torch: wheel('2.13.0+cpu') });
  const expected = {
    path: join(folder, 'torch'),
    version: '2.13.0+cpu',
    minor: '2.13',
    source: 'LIBTORCH',
    cuda: null,
  };
  for (const libtorch of [folder, join(folder, 'torch')]) {
    t.same(requireLibtorch({ libtorch, cache: '/none' }, anyMinor), expected);
  }
});

t.test('the version is read from an archive and from headers too', async (t) => {
  const header = '#define TORCH_VERSION \\\n  "2.14.1"\n';
  const cases: [object, string][] = [
    [{ 'build-version': '2.12.1+cu126\n' }, '2.12.1+cu126'],
    [{ include: { torch: { headeronly: { 'version.h': header } } } }, '2.14.1'],
    [
      { include: { torch: { csrc: { api: { include: { torch: { 'version.h': header } } } } } } },
      '2.14.1',
    ],
  ];
  for (const [files, version] of cases) {
    const libtorch = t.testdir({ lib: { 'libtorch_cpu.so': '' }, ...files });
    t.equal(requireLibtorch({ libtorch, cache: '/none' }, anyMinor).version, version);
  }
});

t.test('a LibTorch for CUDA says for which', async (t) => {
  const folder = t.testdir({
    wheel: wheel('2.14.1+cu130', '13.0'),
    archive: {
      lib: { 'libtorch_cpu.so': '', 'libtorch_cuda.so': '' },
      'build-version': '2.13.0+cu126',
    },
  });
  const cuda = (name: string) =>
    requireLibtorch({ libtorch: join(folder, name), cache: '/none' }, anyMinor).cuda;
  t.equal(cuda('wheel'), '13.0');
  t.equal(cuda('archive'), '12.6');
});

t.test('a LIBTORCH that cannot be used is an error, whatever else there is', async (t) => {
  const folder = t.testdir({
    old: wheel('2.9.1'),
    empty: {},
    cache: { 'libtorch-2.13.0': { torch: wheel('2.13.0') } },
  });
  const cache = join(folder, 'cache');
  t.throws(() => requireLibtorch({ libtorch: join(folder, 'old'), cache }, anyMinor), {
    code: 'ERR_LIBTORCH_VERSION',
    message:
      /LIBTORCH=.*old: found LibTorch 2\.9\.1, required LibTorch 2\.11 to 2\.14\nSet LIBTORCH/,
    found: '2.9.1',
  });
  t.throws(() => requireLibtorch({ libtorch: join(folder, 'empty'), cache }, anyMinor), {
    code: 'ERR_LIBTORCH_NOT_FOUND',
    message: /LIBTORCH=.*empty has no lib\/libtorch_cpu\.so\nSet LIBTORCH/,
  });
});

t.test(
  "the addon's own LibTorch goes before Python's, and Python's before the cache",
  async (t) => {
    const folder = t.testdir({
      own: wheel('2.13.1'),
      python: wheel('2.13.2'),
      cache: { 'libtorch-2.13.0': { torch: wheel('2.13.0') } },
    });
    const cache = join(folder, 'cache');
    t.test('all three', async (t) => {
      fakePython(t, join(folder, 'python'));
      const addons = [{ path: '', builtWith: join(folder, 'own') }];
      t.match(requireLibtorch({ libtorch: undefined, cache }, addons), { source: 'addon' });
      t.match(requireLibtorch({ libtorch: undefined, cache }, anyMinor), { source: 'python' });
    });
    t.test('a python3 without torch', async (t) => {
      fakePython(t, '');
      t.match(requireLibtorch({ libtorch: undefined, cache }, anyMinor), { source: 'cache' });
    });
  },
);

t.test('a LibTorch of another minor version than the addons need is passed over', async (t) => {
  const folder = t.testdir({
    python: wheel('2.14.1'),
    cache: { 'libtorch-2.13.0': { torch: wheel('2.13.0') } },
  });
  fakePython(t, join(folder, 'python'));
  const cache = join(folder, 'cache');
  const need = (...minors: string[]) => minors.map((minor) => ({ path: '', minor }));
  t.match(requireLibtorch({ libtorch: undefined, cache }, need('2.13')), { source: 'cache' });
  t.match(requireLibtorch({ libtorch: undefined, cache }, need('2.14', '2.13')), {
    source: 'python',
  });
  t.throws(() => requireLibtorch({ libtorch: undefined, cache }, need('2.12')), {
    code: 'ERR_LIBTORCH_VERSION',
    message: /LibTorch 2\.12 was not found.*\n.*python: .*found LibTorch 2\.14\.1, required 2\.12/s,
    required: 'LibTorch 2.12',
  });
});

t.test('where there is none, the error lists where it looked and what helps', async (t) => {
  fakePython(t, '');
  const cache = t.testdirName;
  t.throws(() => requireLibtorch({ libtorch: undefined, cache }, anyMinor), {
    code: 'ERR_LIBTORCH_NOT_FOUND',
    message:
      /not set\n {2}python: python3 has no torch\n {2}cache: .*libtorch-2\.13\.0 has no .*\nSet/,
  });
});

t.test('a folder called torch in the current folder is not taken for PyTorch', async (t) => {
  const folder = t.testdir({ torch: { '__init__.py': '', ...wheel('2.13.0') } });
  const previous = process.cwd();
  process.chdir(folder);
  t.teardown(() => process.chdir(previous));
  try {
    const { path } = requireLibtorch({ libtorch: undefined, cache: '/none' }, anyMinor);
    t.not(path, join(folder, 'torch'));
  } catch (error) {
    t.match(error, { code: 'ERR_LIBTORCH_NOT_FOUND' });
  }
});
