// Opens LibTorch by its absolute path, so that an addon that needs libtorch_cpu.so finds it by its name.
// Run as a program (`node open-libtorch.cjs <torch folder> <addon>`), it tells by its exit code whether
// that addon loads here, and a crash stays in that process.
'use strict';

const { existsSync, readFileSync, realpathSync } = require('node:fs');
const { constants } = require('node:os');
const { join } = require('node:path');

/**
 * @param {string} path a torch folder, as findLibtorch returns it
 */
function openLibtorch(path) {
  const library = realpathSync(join(path, 'lib', 'libtorch_cpu.so'));
  const other = mapped('/libtorch_cpu.so').find((file) => file !== library);
  if (other) {
    throw new Error(`another LibTorch is already open in this process: ${other}, not ${library}`);
  }
  open(library);
  // An addon built with a CPU LibTorch does not name the CUDA kernels; opening them registers them.
  const cuda = join(path, 'lib', 'libtorch_cuda.so');
  if (existsSync(cuda)) open(realpathSync(cuda));
}

/** @param {string} library */
function open(library) {
  try {
    process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_NOW);
  } catch (error) {
    // Node wants an addon and says that this is none, yet LibTorch, once open, cannot be closed.
    if (!mapped('').includes(library)) throw error;
  }
}

/**
 * The files mapped into this process whose path ends so.
 * @param {string} ending
 */
function mapped(ending) {
  const paths = readFileSync('/proc/self/maps', 'utf8').match(/\/.*$/gm) ?? [];
  return [...new Set(paths)].filter((path) => path.endsWith(ending));
}

module.exports = { openLibtorch };

if (require.main === module) {
  const [, , path, addon] = process.argv;
  openLibtorch(path);
  require(addon);
}
