import { LatentrayError } from '../errors.js';
import type { AddonFile, LibTorch } from './libtorch.js';

const REBUILD = 'run `npm rebuild latentray` (in a clone of latentray: `npm run build:native`)';

interface Cause {
  matches: RegExp;
  code: string;
  remedy(match: RegExpExecArray, libtorch: LibTorch): string;
}

// What the dynamic loader says, and what helps.
const CAUSES: Cause[] = [
  {
    matches: /undefined symbol: (\S+)/,
    code: 'ERR_LIBTORCH_VERSION',
    remedy: (_, { version }) =>
      `The addon was built for another LibTorch than ${version}: ${REBUILD}, or set LIBTORCH to the ` +
      'LibTorch that it was built with.',
  },
  {
    matches: /version `((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found/,
    code: 'ERR_NATIVE_LOAD',
    remedy: ([, required]) =>
      `This system is older than the one that the file was built on (required ${required}, found ` +
      `${libcName()}): ${REBUILD}, or use a newer system.`,
  },
  {
    matches: /([^\s:]+): cannot open shared object file/,
    code: 'ERR_NATIVE_LOAD',
    remedy: ([, library], { cuda }) =>
      cuda
        ? `${library} belongs to CUDA ${cuda}: keep the wheel's folders together (torch/ beside nvidia/), ` +
          'or set LIBTORCH to a CPU LibTorch.'
        : `${library} is missing: ${REBUILD}.`,
  },
  {
    matches: /invalid ELF header|wrong ELF class|file too short|cannot open shared object/,
    code: 'ERR_NATIVE_LOAD',
    remedy: () =>
      `The file is damaged or made for another kind of machine than ${process.arch}: ${REBUILD}.`,
  },
  {
    matches: /loading addons is disabled/,
    code: 'ERR_NATIVE_LOAD',
    remedy: () => 'Node was started with --no-addons: start it without.',
  },
  {
    matches: /another LibTorch is already open/,
    code: 'ERR_NATIVE_LOAD',
    remedy: () => 'One process can hold one LibTorch: set LIBTORCH to the one that is open.',
  },
  {
    matches: /static TLS block/,
    code: 'ERR_NATIVE_LOAD',
    remedy: () => 'Too many libraries were loaded before: import latentray first.',
  },
];

/** The error for an addon or a LibTorch that did not open: what happened, then the remedy for that. */
export function explainLoadFailure(
  error: unknown,
  { path }: AddonFile,
  libtorch: LibTorch,
): LatentrayError {
  const message = error instanceof Error ? error.message : String(error);
  const firstLine = message.split('\n')[0];
  const fields = { cause: error, path, libtorch: libtorch.path };
  if (libcName() === 'musl') {
    return new LatentrayError(
      'ERR_NATIVE_LOAD',
      `The addon cannot be loaded: ${firstLine}\nThis system uses musl, and LibTorch needs glibc: use a ` +
        'Debian, Ubuntu or Red Hat based system or image.',
      fields,
    );
  }
  for (const { matches, code, remedy } of CAUSES) {
    const match = matches.exec(message);
    if (!match) continue;
    const remedyText = remedy(match, libtorch);
    return new LatentrayError(
      code,
      `The addon cannot be loaded: ${firstLine}\n${remedyText}`,
      fields,
    );
  }
  return new LatentrayError(
    'ERR_NATIVE_LOAD',
    `The addon ${path} cannot be loaded: ${firstLine}\nTo build it anew, ${REBUILD}.`,
    fields,
  );
}

/** The C library: `glibc 2.36`, or `musl`. */
export function libcName(): string {
  const { header } = process.report.getReport() as unknown as {
    header: { glibcVersionRuntime?: string };
  };
  return header.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : 'musl';
}
