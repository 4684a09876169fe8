import { spawnSync } from 'node:child_process';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type Diagnosis, diagnose } from '../../src/index.js';
import { packageRoot } from '../../src/native/package-root.js';

const program = join(packageRoot, 'dist', 'esm', 'cli', 'main.js');

/** `latentray doctor` in a process of its own, where no addon is loaded yet. */
function doctor(env: Record<string, string>) {
  const { status, stdout } = spawnSync(process.execPath, [program, 'doctor', '--json'], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, ...(JSON.parse(stdout) as Diagnosis) };
}

t.test('a working installation is described and in order', async (t) => {
  const diagnosis = diagnose();
  t.same(diagnosis.problems, []);
  t.match(diagnosis, {
    ok: true,
    versions: { node: process.versions.node, libc: /^glibc \d/ },
    libtorch: { version: /^2\.1[1-4]/, path: /torch/ },
    addon: /latentray.*\.node$/,
    devices: [{ name: 'cpu', type: 'cpu', totalMemory: totalmem() }],
  });
  t.ok((diagnosis.threads ?? 0) >= 1);
});

t.test('the command prints the same for people', async (t) => {
  const { status, stdout } = spawnSync(process.execPath, [program, 'doctor'], { encoding: 'utf8' });
  t.equal(status, 0);
  t.match(stdout, /^LibTorch +2\.1[1-4]/m);
  t.match(stdout, /Everything is in order\.\n$/);
});

t.test('LATENTRAY_THREADS sets the threads', async (t) => {
  t.match(doctor({ LATENTRAY_THREADS: '1' }), { status: 0, threads: 1 });
});

t.test('what is wrong is said with its code, its remedy and exit code 1', async (t) => {
  const folder = t.testdir({
    'damaged.node': 'no library',
    old: { lib: { 'libtorch_cpu.so': '' }, 'build-version': '2.9.0' },
    damaged: { lib: { 'libtorch_cpu.so': 'no library' }, 'build-version': '2.13.0' },
  });
  const cases: [string, Record<string, string>, string, RegExp][] = [
    [
      'LIBTORCH names no LibTorch',
      { LIBTORCH: '/nowhere' },
      'ERR_LIBTORCH_NOT_FOUND',
      /LIBTORCH=\/nowhere has no .*\nSet LIBTORCH/,
    ],
    [
      'LIBTORCH is too old',
      { LIBTORCH: join(folder, 'old') },
      'ERR_LIBTORCH_VERSION',
      /found LibTorch 2\.9\.0, required LibTorch 2\.11 to 2\.14/,
    ],
    [
      'LIBTORCH is damaged',
      { LIBTORCH: join(folder, 'damaged') },
      'ERR_NATIVE_LOAD',
      /libtorch_cpu\.so: (file too short|invalid ELF header)/,
    ],
    [
      'the addon is damaged',
      { LATENTRAY_ADDON: join(folder, 'damaged.node') },
      'ERR_NATIVE_LOAD',
      /(file too short|invalid ELF header).*\n.*npm rebuild latentray/,
    ],
    [
      'the addon is not there',
      { LATENTRAY_ADDON: '/nowhere.node' },
      'ERR_NATIVE_LOAD',
      /LATENTRAY_ADDON=\/nowhere\.node: there is no such file/,
    ],
    [
      'LATENTRAY_THREADS is no number',
      { LATENTRAY_THREADS: 'many' },
      'ERR_INVALID_ARG',
      /LATENTRAY_THREADS: expected an integer from 1 to 1024, received 'many'/,
    ],
    [
      'LATENTRAY_DEVICE names no device',
      { LATENTRAY_DEVICE: 'cuda:63' },
      'ERR_DEVICE_UNAVAILABLE',
      /LATENTRAY_DEVICE=cuda:63: found cpu/,
    ],
  ];
  for (const [name, env, code, message] of cases) {
    t.test(name, async (t) => {
      const { status, ok, problems } = doctor(env);
      t.equal(status, 1);
      t.equal(ok, false);
      t.match(problems, [{ code, message }]);
      t.equal(problems.length, 1);
    });
  }
});
