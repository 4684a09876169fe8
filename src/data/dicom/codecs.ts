// Decoders of other packages, loaded when a file needs them.

import { LatentrayError } from '../../errors.js';
import { Image } from '../../image/image.js';
import type { CodestreamSize } from './codestream.js';
import { damaged, unsupported } from './errors.js';
import { decodeExtendedJpeg } from './extended-jpeg.js';
import { interleave } from './interleave.js';

/** Samples of a frame, the channels of a pixel beside each other. */
export type Samples = Uint8Array | Uint16Array | Int16Array;

/** The part of the Emscripten codecs that is used here. */
interface WasmDecoder {
  getEncodedBuffer(length: number): Uint8Array;
  getDecodedBuffer(): Uint8Array;
  getFrameInfo(): { bitsPerSample: number; componentCount: number; isSigned?: boolean };
  /** Of JPEG-LS alone; 0 is one colour after the other. */
  getInterleaveMode?(): number;
  decode(): void;
  delete(): void;
}
type WasmModule = Record<string, new () => WasmDecoder>;
type WasmFactory = (options: object) => Promise<WasmModule>;

interface LosslessDecoder {
  decode(buffer: ArrayBuffer, offset: number, length: number, bytes: number): Samples;
}

const jpegEnd = Buffer.from([0xff, 0xd9]);

/** A compiled codec for each package: compiling takes longer than a frame does. */
const wasmModules = new Map<string, Promise<WasmModule>>();

/** Baseline and extended JPEG. The library behind sharp reads 8 bits a sample, ours the 12 bits. */
export async function decodeJpeg(frame: Buffer, size: CodestreamSize): Promise<Samples> {
  if (size.precision === 12) return decodeExtendedJpeg(frame);
  if (size.precision !== 8)
    throw unsupported(`a lossy JPEG of ${size.precision} bits is not read here`);
  try {
    return (await Image.read(frame)).data;
  } catch (cause) {
    throw damaged('a JPEG frame cannot be decoded', cause);
  }
}

export async function decodeJpegLossless(frame: Buffer, size: CodestreamSize): Promise<Samples> {
  const { Decoder } = await importCodec<{ Decoder: new () => LosslessDecoder }>(
    'jpeg-lossless-decoder-js',
    'jpeg-lossless-decoder-js',
  );
  const bytes = Uint8Array.from(frame);
  try {
    return new Decoder().decode(bytes.buffer, 0, bytes.length, size.precision > 8 ? 2 : 1);
  } catch (cause) {
    throw damaged('a lossless JPEG frame cannot be decoded', cause);
  }
}

export async function decodeJpegLs(frame: Buffer): Promise<Samples> {
  // Behind the end of a frame that was cut off, CharLS searches for half a minute for a bit that is set.
  if (!frame.includes(jpegEnd)) throw damaged('a JPEG-LS frame is cut off: it has no end marker');
  return decodeByWasm(frame, '@cornerstonejs/codec-charls', 'JpegLSDecoder');
}

export function decodeJpeg2000(frame: Buffer): Promise<Samples> {
  return decodeByWasm(frame, '@cornerstonejs/codec-openjpeg', 'J2KDecoder');
}

async function decodeByWasm(frame: Buffer, name: string, className: string): Promise<Samples> {
  let loading = wasmModules.get(name);
  if (!loading) {
    loading = loadWasm(name);
    wasmModules.set(name, loading);
  }
  const module = await loading.catch((error) => {
    wasmModules.delete(name);
    throw error;
  });
  try {
    return decodeInModule(module, className, frame);
  } catch (cause) {
    // A C++ exception (a number) is the codec's own refusal; anything else leaves its memory in any state.
    if (typeof cause !== 'number') wasmModules.delete(name);
    throw damaged(`a frame cannot be decoded by ${name}`, cause);
  }
}

async function loadWasm(name: string): Promise<WasmModule> {
  const imported = await importCodec<{ default: WasmFactory }>(`${name}/decodewasmjs`, name);
  // They print on stdout what they find remarkable.
  return imported.default({ print() {}, printErr() {} });
}

function decodeInModule(module: WasmModule, className: string, frame: Buffer): Samples {
  const decoder = new (module[className] as new () => WasmDecoder)();
  try {
    return decodeBy(decoder, frame);
  } finally {
    decoder.delete();
  }
}

function decodeBy(decoder: WasmDecoder, frame: Buffer): Samples {
  decoder.getEncodedBuffer(frame.length).set(frame);
  decoder.decode();
  const { bitsPerSample, componentCount, isSigned } = decoder.getFrameInfo();
  const planar = componentCount === 3 && decoder.getInterleaveMode?.() === 0;
  const bytes = Uint8Array.from(decoder.getDecodedBuffer());
  const Words = isSigned ? Int16Array : Uint16Array;
  const samples = bitsPerSample <= 8 ? bytes : new Words(bytes.buffer, 0, bytes.length >> 1);
  return planar ? interleave(samples) : samples;
}

/** @throws LatentrayError `ERR_DICOM_CODEC` that names the package to install. */
export async function importCodec<Module>(specifier: string, name: string): Promise<Module> {
  try {
    return (await import(specifier)) as Module;
  } catch (cause) {
    throw new LatentrayError(
      'ERR_DICOM_CODEC',
      `the compression of this file is decoded by the package ${name}, which cannot be loaded. Run: npm install ${name}`,
      { package: name, cause },
    );
  }
}
