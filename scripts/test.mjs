// npm test: every test under test/ (or the files named), two at a time, closing with the line
// `N passed, N failed`. `--native` runs the native test program first and counts its tests too.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { TapReport } from './tap-report.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values, positionals } = parseArgs({
  options: { native: { type: 'boolean' } },
  allowPositionals: true,
});

refreshDist();
const counts = [...(values.native ? [runNative()] : []), await runTap(positionals)];
const [passed, failed, skipped] = [0, 1, 2].map((i) => counts.reduce((sum, n) => sum + n[i], 0));
if (skipped > 0) console.log(`${skipped} skipped`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

/** The tests import src/; the command line and the packed package are tested as compiled. */
function refreshDist() {
  const built = join(root, 'dist', 'esm', 'index.js');
  if (existsSync(built) && statSync(built).mtimeMs > newest(join(root, 'src'))) return;
  const { status } = spawnSync('npm', ['run', '--silent', 'build:ts'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('the TypeScript sources do not compile, see above');
}

function newest(folder) {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return Math.max(...entries.map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs));
}

function runNative() {
  const program = join(root, 'build', 'native_tests');
  const { stdout, status } = spawnSync(program, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const summary = /^(\d+) passed, (\d+) failed\n$/m;
  process.stdout.write((stdout ?? '').replace(summary, ''));
  const [, passed, failed] = summary.exec(stdout ?? '') ?? [];
  if (passed === undefined) {
    console.log(`not ok - ${program} ended early (${status ?? 'not built, or killed'})`);
    return [0, 1, 0];
  }
  return [Number(passed), Number(failed), 0];
}

async function runTap(files) {
  const tap = createRequire(import.meta.url).resolve('tap');
  const program = join(tap.slice(0, tap.lastIndexOf('dist')), 'dist', 'esm', 'run.mjs');
  const child = spawn(
    process.execPath,
    [program, 'run', '--jobs=2', '--reporter=tap', '--no-color', ...files],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      // Two test files at a time: more threads than cores make LibTorch's spin and wait for each other.
      env: { LATENTRAY_THREADS: '1', ...process.env },
    },
  );
  const report = new TapReport();
  for await (const line of createInterface({ input: child.stdout })) report.add(line);
  const status = child.exitCode ?? (await once(child, 'exit'))[0];
  if (status !== 0 && report.failed === 0) report.failed = 1;
  return [report.passed, report.failed, report.skipped];
}
