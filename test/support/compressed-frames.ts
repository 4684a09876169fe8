// Compresses small frames for the tests: by the codecs' own encoders, or by the plainest code that the standard allows.

import charls from '@cornerstonejs/codec-charls/wasmjs';
import openjpeg from '@cornerstonejs/codec-openjpeg/wasmjs';

/** Samples and how to read them. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly samples: readonly number[];
  readonly bits: number;
  /** @default 1 */
  readonly channels?: number;
  readonly signed?: boolean;
}

/** Anew each time: a module keeps its state in the object. */
const quiet = () => ({ print() {}, printErr() {} });

export async function encodeJpeg2000(frame: Frame): Promise<Buffer> {
  const { J2KEncoder } = await openjpeg(quiet());
  return encode(new J2KEncoder(), frame, (encoder) => encoder.setDecompositions(1));
}

export async function encodeJpegLs(frame: Frame, interleaveMode = 0): Promise<Buffer> {
  const { JpegLSEncoder } = await charls(quiet());
  return encode(new JpegLSEncoder(), frame, (encoder) => {
    encoder.setNearLossless(0);
    encoder.setInterleaveMode(interleaveMode);
  });
}

// biome-ignore lint/suspicious/noExplicitAny: the codecs have no types
function encode(encoder: any, frame: Frame, prepare: (encoder: any) => void): Buffer {
  const { width, height, samples, bits, channels = 1, signed = false } = frame;
  const words = bits > 8 ? Uint16Array.from(samples) : Uint8Array.from(samples);
  const info = {
    width,
    height,
    bitsPerSample: bits,
    componentCount: channels,
    isSigned: signed,
    isUsingColorTransform: channels === 3,
  };
  encoder.getDecodedBuffer(info).set(new Uint8Array(words.buffer));
  prepare(encoder);
  encoder.encode();
  const bytes = Buffer.from(encoder.getEncodedBuffer());
  encoder.delete();
  return bytes;
}

/** RLE, in runs where bytes repeat and as they are elsewhere. */
export function encodeRle({ samples, bits, channels = 1 }: Frame): Buffer {
  const bytes = bits > 8 ? 2 : 1;
  const segments = Array.from({ length: channels * bytes }, (_, i) => {
    const shift = 8 * (bytes - 1 - (i % bytes));
    const channel = Math.floor(i / bytes);
    return packBits(
      samples.filter((_, at) => at % channels === channel).map((value) => (value >> shift) & 255),
    );
  });
  const header = Buffer.alloc(64);
  header.writeUInt32LE(segments.length, 0);
  segments.reduce((offset, segment, i) => {
    header.writeUInt32LE(offset, 4 + 4 * i);
    return offset + segment.length;
  }, 64);
  return Buffer.concat([header, ...segments]);
}

function packBits(values: readonly number[]): Buffer {
  const out: number[] = [];
  for (let i = 0; i < values.length; ) {
    let run = 1;
    while (run < 128 && values[i + run] === values[i]) ++run;
    if (run > 1) out.push(257 - run, values[i] as number);
    else out.push(0, values[i] as number);
    i += run;
  }
  if (out.length % 2 === 1) out.push(128);
  return Buffer.from(out);
}

/** Bits of a JPEG scan. */
class BitWriter {
  #bits = '';
  readonly #parts: Buffer[] = [];

  add(value: number, count: number): void {
    if (count > 0) this.#bits += value.toString(2).padStart(count, '0').slice(-count);
  }

  /** A symbol of the table below, and the number behind it. */
  addNumber(runLength: number, value: number): void {
    const size = value === 0 ? 0 : Math.floor(Math.log2(Math.abs(value))) + 1;
    this.add(runLength * 16 + size, 8);
    this.add(value < 0 ? value + 2 ** size - 1 : value, size);
  }

  flush(marker?: number): void {
    const bits = this.#bits.padEnd(Math.ceil(this.#bits.length / 8) * 8, '1');
    const bytes = bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? [];
    this.#parts.push(Buffer.from(bytes.flatMap((byte) => (byte === 255 ? [255, 0] : [byte]))));
    if (marker !== undefined) this.#parts.push(Buffer.from([255, marker]));
    this.#bits = '';
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function segment(marker: number, ...content: readonly number[]): Buffer {
  const length = content.length + 2;
  return Buffer.from([255, marker, length >> 8, length & 255, ...content]);
}

/** A table in which each of the first symbols is its own code of eight bits. */
function plainTable(selector: number, symbols: number): Buffer {
  const counts = Array(16).fill(0);
  counts[7] = symbols;
  return segment(0xc4, selector, ...counts, ...Array(symbols).keys());
}

function frameHeader(marker: number, { width, height, bits }: Frame): Buffer {
  const size = [height >> 8, height & 255, width >> 8, width & 255];
  return segment(marker, bits, ...size, 1, 1, 0x11, 0);
}

/** Lossless JPEG, each sample as its difference from the one before (selection value 1). */
export function encodeJpegLossless(frame: Frame): Buffer {
  const { width, samples, bits } = frame;
  const writer = new BitWriter();
  for (const [i, sample] of samples.entries()) {
    const before = i === 0 ? 2 ** (bits - 1) : samples[i % width === 0 ? i - width : i - 1];
    // Modulo 2^16, where 32768 is a symbol alone (H.1.2.2).
    const difference = ((sample - (before as number) + 32767) & 0xffff) - 32767;
    if (difference === 32768) writer.add(16, 8);
    else writer.addNumber(0, difference);
  }
  writer.flush();
  const tables = [plainTable(0, 17), frameHeader(0xc3, frame), segment(0xda, 1, 1, 0, 1, 0, 0)];
  return Buffer.concat([start, ...tables, writer.bytes, end]);
}

const start = Buffer.from([255, 0xd8]);
const end = Buffer.from([255, 0xd9]);

/** Sequential DCT with a quantisation of 1. */
export function encodeExtendedJpeg(frame: Frame, { restartInterval = 0 } = {}): Buffer {
  const { width, height } = frame;
  const writer = new BitWriter();
  let mean = 0;
  let count = 0;
  for (let top = 0; top < height; top += 8) {
    for (let left = 0; left < width; left += 8, ++count) {
      if (restartInterval > 0 && count > 0 && count % restartInterval === 0) {
        writer.flush(0xd0 + ((count / restartInterval - 1) % 8));
        mean = 0;
      }
      const coefficients = forwardDct(frame, left, top);
      writer.addNumber(0, (coefficients[0] as number) - mean);
      mean = coefficients[0] as number;
      addDetails(writer, coefficients);
    }
  }
  writer.flush();
  const headers = [
    segment(0xdb, 0, ...Array(64).fill(1)),
    frameHeader(0xc1, frame),
    plainTable(0x00, 16),
    plainTable(0x10, 255),
    segment(0xdd, 0, restartInterval),
    segment(0xda, 1, 1, 0x00, 0, 63, 0),
  ];
  return Buffer.concat([start, ...headers, writer.bytes, end]);
}

/** Zeros before a number, sixteen at most, and 0 for no more numbers. */
function addDetails(writer: BitWriter, coefficients: readonly number[]): void {
  let zeros = 0;
  for (const value of coefficients.slice(1)) {
    if (value === 0) {
      zeros++;
      continue;
    }
    for (; zeros > 15; zeros -= 16) writer.add(0xf0, 8);
    writer.addNumber(zeros, value);
    zeros = 0;
  }
  if (zeros > 0) writer.add(0, 8);
}

/** The figure that T.81 prints as figure A.6, as places in a block of 8×8. */
const zigzag = [
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
  13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52,
  45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

function forwardDct({ width, height, samples, bits }: Frame, left: number, top: number): number[] {
  const wave = (u: number, x: number) =>
    (u === 0 ? Math.SQRT1_2 : 1) * Math.cos(((2 * x + 1) * u * Math.PI) / 16);
  return zigzag.map((place) => {
    const [u, v] = [place % 8, place >> 3];
    let sum = 0;
    for (let y = 0; y < 8; ++y) {
      for (let x = 0; x < 8; ++x) {
        const row = Math.min(top + y, height - 1);
        const sample = samples[row * width + Math.min(left + x, width - 1)] as number;
        sum += (sample - 2 ** (bits - 1)) * wave(u, x) * wave(v, y);
      }
    }
    return Math.round(sum / 4);
  });
}
