import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { builtAddon, prebuiltAddons } from '../../src/native/libtorch.js';
import { loadAddon } from '../../src/native/load-addon.js';
import { packageRoot } from '../../src/native/package-root.js';

const MEGABYTE = 1_000_000;
// npm refuses some 200 MB; LibTorch has no place in the package, and a stripped addon is a few megabytes.
/** Beside the program's own. */
const DEFAULT_MODEL = 24 * MEGABYTE;
const PACKED_LIMIT = 10 * MEGABYTE + DEFAULT_MODEL;
const UNPACKED_LIMIT = 30 * MEGABYTE + DEFAULT_MODEL;

interface Packed {
  filename: string;
  size: number;
  unpackedSize: number;
  files: { path: string }[];
}

const { libtorch } = loadAddon();
const built = builtAddon(packageRoot);
/** What `npm run prebuild` left in this package, unless the addon was built again after that. */
const shipped = prebuiltAddons(packageRoot).find(
  ({ path, minor }) =>
    minor === libtorch.minor && !(built && statSync(built.path).mtimeMs > statSync(path).mtimeMs),
);

function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = process.env) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', env });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stdout}\n${stderr}`);
  return stdout;
}

/** The package's files with prebuilds/ beside them, and what `npm pack` makes of these. */
function pack(): Packed {
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  for (const entry of ['package.json', 'LICENSE', 'README.md', ...manifest.files]) {
    const source = join(packageRoot, entry);
    if (entry !== 'prebuilds' && existsSync(source)) {
      cpSync(source, join(staged, entry), { recursive: true });
    }
  }
  if (shipped) {
    cpSync(join(packageRoot, 'prebuilds'), join(staged, 'prebuilds'), { recursive: true });
  } else {
    run('npm', ['run', 'prebuild', '--', '--no-build', '--out', staged], packageRoot, {
      ...process.env,
      LIBTORCH: libtorch.path,
    });
  }
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  return JSON.parse(run('npm', args, staged))[0];
}

/** The names of the sections of a 64-bit ELF file. */
function sectionNames(file: Buffer): string[] {
  const table = Number(file.readBigUInt64LE(0x28));
  const [size, count, strings] = [0x3a, 0x3c, 0x3e].map((at) => file.readUInt16LE(at));
  const header = (index: number) => file.subarray(table + index * (size ?? 0));
  const names = file.subarray(Number(header(strings ?? 0).readBigUInt64LE(0x18)));
  return Array.from({ length: count ?? 0 }, (_, index) => {
    const name = names.subarray(header(index).readUInt32LE(0));
    return name.toString('latin1', 0, name.indexOf(0));
  });
}

const ESM = `import { diagnose } from 'latentray';
const { addon, libtorch, problems } = diagnose();
console.log(JSON.stringify({ addon, libtorch: libtorch?.version, problems }));`;
const COMMONJS = ESM.replace(/^import.*/, "const { diagnose } = require('latentray');");

const folder = t.testdir({
  project: {
    'package.json': JSON.stringify({ name: 'empty', private: true }),
    'esm.mjs': ESM,
    'commonjs.cjs': COMMONJS,
  },
  bin: {},
});
symlinkSync('/bin/sh', join(folder, 'bin', 'sh'));
symlinkSync(process.execPath, join(folder, 'bin', 'node'));
/** A PATH with the shell and Node, and nothing that compiles. */
const withoutCompiler = {
  ...process.env,
  PATH: join(folder, 'bin'),
  LIBTORCH: libtorch.path,
  LATENTRAY_ADDON: '',
};
const staged = join(folder, 'package');

if (!built && !shipped) {
  t.plan(0, 'nothing is built here: npm run build:native');
} else {
  const packed = pack();

  t.test('the package is small and holds what it needs', async (t) => {
    t.ok(packed.size < PACKED_LIMIT, `${packed.size} bytes packed`);
    t.ok(packed.unpackedSize < UNPACKED_LIMIT, `${packed.unpackedSize} bytes unpacked`);
    const paths = packed.files.map(({ path }) => path);
    for (const needed of [
      `prebuilds/${process.platform}-${process.arch}/latentray-torch${libtorch.minor}.node`,
      'dist/esm/index.js',
      'dist/commonjs/index.js',
      'CMakeLists.txt',
      'LICENSE',
    ]) {
      t.ok(paths.includes(needed), needed);
    }
    const unwanted = /\.so(\.|$)|^native\/tests|^(src|test|build)\//;
    t.same(
      paths.filter((path) => unwanted.test(path)),
      [],
    );
  });

  t.test('the addon in it is stripped', async (t) => {
    const file = readFileSync(prebuiltAddons(staged)[0]?.path ?? '');
    t.same(
      sectionNames(file).filter((name) => /^\.(symtab|debug)/.test(name)),
      [],
    );
    t.ok(sectionNames(file).includes('.dynsym'));
  });

  t.test('it runs in an empty project without a compiler', async (t) => {
    const project = join(folder, 'project');
    const global = run('npm', ['prefix', '--global'], folder).trim();
    const npm = join(global, 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js');
    const tarball = join(folder, packed.filename);
    const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball];
    run(process.execPath, [npm, ...install], project, withoutCompiler);

    const installed = join(project, 'node_modules', 'latentray');
    t.notOk(existsSync(join(installed, 'build')), 'nothing was built');
    for (const file of ['esm.mjs', 'commonjs.cjs']) {
      const seen = JSON.parse(run(process.execPath, [file], project, withoutCompiler));
      t.same(seen.problems, [], file);
      t.equal(seen.libtorch, libtorch.version);
      t.equal(dirname(dirname(seen.addon)), join(installed, 'prebuilds'));
    }
  });

  t.test('where none fits and nothing compiles, the installation says so', async (t) => {
    rmSync(join(staged, 'prebuilds'), { recursive: true });
    const install = join(staged, 'scripts', 'install.mjs');
    const { status, stderr } = spawnSync(process.execPath, [install], {
      encoding: 'utf8',
      env: withoutCompiler,
    });
    t.equal(status, 1);
    t.match(stderr, /has no prebuilt addon that fits this machine.*apt-get install g\+\+.*cmake/s);
  });
}
