import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';

const run = promisify(execFile);

/**
 * Runs a TypeScript program in `folder`, which is its working directory. A folder inside the package (tap's
 * testdir is one) imports the compiled package by its name.
 */
export function runProgram(folder: string, source: string, args: readonly string[] = []) {
  return start(folder, transpile(folder, 'program', source), args);
}

/** Runs programs one after the other in one process; a failure's stack names the one, from 1. */
export function runPrograms(folder: string, sources: readonly string[]) {
  const files = sources.map((source, index) => transpile(folder, `program-${index + 1}`, source));
  writeFileSync(
    join(folder, 'all.mjs'),
    files.map((file) => `await import('./${file}');\n`).join(''),
  );
  return start(folder, 'all.mjs', []);
}

/** Starts a program that goes on until it is told to end; its stderr is the test's. */
export function startProgram(
  folder: string,
  source: string,
  args: readonly string[],
): ChildProcess {
  const { NODE_OPTIONS: _, ...environment } = process.env;
  return spawn(process.execPath, [transpile(folder, 'program', source), ...args], {
    cwd: folder,
    env: { LATENTRAY_THREADS: '1', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function transpile(folder: string, name: string, source: string): string {
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  writeFileSync(join(folder, `${name}.mjs`), outputText);
  return `${name}.mjs`;
}

function start(folder: string, file: string, args: readonly string[]) {
  return run(process.execPath, [file, ...args], {
    cwd: folder,
    env: { LATENTRAY_THREADS: '1', ...process.env },
    timeout: 240_000,
  });
}
