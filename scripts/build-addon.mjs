// Builds build/Release/latentray.node with cmake-js; what is up to date in build/ is not built again.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import addon from './find-addon.cjs';
import { compileJobs } from './toolchain.mjs';

/**
 * @param {string} root the package's folder
 * @param {import('./find-libtorch.cjs').LibTorch} libtorch
 * @param {{ nativeTests?: boolean }} [options] nativeTests: builds build/native_tests too
 */
export function buildAddon(root, libtorch, { nativeTests = false } = {}) {
  forgetOtherSource(join(root, 'build'), root);
  console.error(
    `latentray: building the addon with LibTorch ${libtorch.version} (${libtorch.path})`,
  );
  const common = ['--directory', root, '--log-level', 'warn'];
  cmakeJs('configure', [
    ...common,
    `--CDLATENTRAY_LIBTORCH=${libtorch.path}`,
    `--CDLATENTRAY_BUILD_TESTS=${nativeTests ? 'ON' : 'OFF'}`,
  ]);
  // Not `compile`, which answers a compiler's error by removing everything and building again.
  const jobs = process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? compileJobs();
  for (const target of nativeTests ? ['latentray', 'native_tests'] : ['latentray']) {
    cmakeJs('build', [...common, '--target', target, '--parallel', String(jobs)]);
  }
  addon.recordBuild(root, libtorch);
}

function cmakeJs(command, args) {
  const manifest = createRequire(import.meta.url).resolve('cmake-js/package.json');
  const program = join(dirname(manifest), 'bin', 'cmake-js');
  const { status, signal } = spawnSync(process.execPath, [program, command, ...args], {
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) {
    throw new Error(
      `The addon could not be built: \`cmake-js ${command}\` ${signal ? `was ended by ${signal}` : 'failed'}, ` +
        'see its output above.\nIf the compiler was killed, memory ran out: set CMAKE_BUILD_PARALLEL_LEVEL=1.',
    );
  }
}

/** CMake refuses a build folder that was made for another source folder, as after a move or a copy. */
function forgetOtherSource(folder, root) {
  const cache = join(folder, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const source = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1];
  if (source === root) return;
  rmSync(cache);
  rmSync(join(folder, 'CMakeFiles'), { recursive: true, force: true });
}
