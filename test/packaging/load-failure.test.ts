import t from 'tap';
import { LatentrayError } from '../../src/index.js';
import { explainLoadFailure } from '../../src/native/load-failure.js';

const file = { path: '/p/latentray.node' };
const cpu = {
  path: '/l/torch',
  version: '2.13.0+cpu',
  minor: '2.13',
  source: 'cache' as const,
  cuda: null,
};

const cases: { name: string; said: string; code: string; remedy: RegExp; cuda?: string }[] = [
  {
    name: 'an addon for another LibTorch is told to be built anew',
    said: '/p/latentray.node: undefined symbol: _ZN2at4_ops5thing4callE',
    code: 'ERR_LIBTORCH_VERSION',
    remedy: /built for another LibTorch than 2\.13\.0\+cpu: run `npm rebuild latentray`/,
  },
  {
    name: 'an old C library is compared with the one that is required',
    said: "/lib/libm.so.6: version `GLIBC_2.38' not found (required by /p/latentray.node)",
    code: 'ERR_NATIVE_LOAD',
    remedy: /required GLIBC_2\.38, found glibc \d/,
  },
  {
    name: 'a CUDA library out of its place is named',
    said: 'libcudart.so.13: cannot open shared object file: No such file or directory',
    code: 'ERR_NATIVE_LOAD',
    remedy: /libcudart\.so\.13 belongs to CUDA 13\.0: keep the wheel's folders together/,
    cuda: '13.0',
  },
  {
    name: 'a library that is missing is named',
    said: 'libtorch_cuda.so: cannot open shared object file: No such file or directory',
    code: 'ERR_NATIVE_LOAD',
    remedy: /libtorch_cuda\.so is missing: run `npm rebuild latentray`/,
  },
  {
    name: 'a file for another machine is called so',
    said: '/p/latentray.node: invalid ELF header',
    code: 'ERR_NATIVE_LOAD',
    remedy: /damaged or made for another kind of machine/,
  },
  {
    name: 'a second LibTorch in one process is refused',
    said: 'another LibTorch is already open in this process: /a/libtorch_cpu.so, not /b/libtorch_cpu.so',
    code: 'ERR_NATIVE_LOAD',
    remedy: /One process can hold one LibTorch/,
  },
  {
    name: 'a process without room for thread-local storage is told to load us first',
    said: 'libgomp.so.1: cannot allocate memory in static TLS block',
    code: 'ERR_NATIVE_LOAD',
    remedy: /import latentray first/,
  },
  {
    name: 'a Node that was told to load no addons is named',
    said: 'Cannot load native addon because loading addons is disabled.',
    code: 'ERR_NATIVE_LOAD',
    remedy: /started with --no-addons: start it without/,
  },
  {
    name: 'anything else keeps its message and names the file',
    said: 'Module did not self-register',
    code: 'ERR_NATIVE_LOAD',
    remedy: /\/p\/latentray\.node cannot be loaded: Module did not self-register\nTo build it anew/,
  },
];

for (const { name, said, code, remedy, cuda = null } of cases) {
  t.test(name, async (t) => {
    const cause = new Error(said);
    const error = explainLoadFailure(cause, file, { ...cpu, cuda });
    t.ok(LatentrayError.isInstance(error));
    t.match(error, { code, message: remedy, cause, path: file.path, libtorch: cpu.path });
  });
}
