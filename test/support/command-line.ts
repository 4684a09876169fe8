import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { packageRoot } from '../../src/native/package-root.js';

/** The command line as compiled; `npm test` compiles it first. */
export const program = join(packageRoot, 'dist/esm/cli/main.js');

/** Runs the command line in a folder, as a script would: nothing is a terminal. */
export async function latentray(cwd: string, ...args: string[]) {
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env: { LATENTRAY_THREADS: '1', ...process.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { stdout, stderr, status: status as number };
}
