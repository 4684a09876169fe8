// What is needed to build the addon or to fetch LibTorch, and is missing: one line each, remedy included.
import { spawnSync } from 'node:child_process';
import { availableParallelism, freemem } from 'node:os';

const MEMORY_PER_JOB = 1.5 * 2 ** 30; // a file that includes torch/torch.h

/** @returns {string[]} */
export function missingBuildTools() {
  const missing = [];
  const compilers = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  if (!compilers.some((compiler) => runs(compiler, '--version'))) {
    const found = process.env.CXX ? `CXX=${process.env.CXX} does not run` : 'no C++ compiler';
    missing.push(`${found}: apt-get install g++ (version 10 or newer; CXX names another compiler)`);
  }
  if (!runs('cmake', '--version')) missing.push('no CMake: apt-get install cmake (3.22 or newer)');
  if (!runs('make', '--version') && !runs('ninja', '--version')) {
    missing.push('neither make nor ninja: apt-get install make');
  }
  return missing;
}

/** @returns {string[]} */
export function missingFetchTools() {
  if (!runs('python3', '--version')) {
    return ['no python3, to fetch LibTorch with pip: apt-get install python3-pip'];
  }
  if (!runs('python3', '-m', 'pip', '--version')) {
    return ['no pip, to fetch LibTorch: apt-get install python3-pip'];
  }
  return [];
}

/** As many compilers at a time as there are cores and memory for. */
export function compileJobs() {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / MEMORY_PER_JOB)));
}

function runs(command, ...args) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', timeout: 20_000 });
  return status === 0 && stdout !== '';
}
