import {
  decodeJpeg,
  decodeJpeg2000,
  decodeJpegLossless,
  decodeJpegLs,
  type Samples,
} from './codecs.js';
import { checkCodestream } from './codestream.js';
import { damaged } from './errors.js';
import type { DicomFile } from './file.js';
import { encapsulatedFrame, nativeFrame } from './frames.js';
import { interleave } from './interleave.js';
import type { PixelFormat } from './pixel-format.js';
import { decodeRle } from './rle.js';

/** A frame's stored values, H×W×C. Colour is RGB, whatever it was stored as. */
export async function readStoredValues(
  { syntax, dataSet }: DicomFile,
  format: PixelFormat,
  frame: number,
): Promise<Float32Array> {
  const { compression } = syntax;
  if (compression === 'native' || compression === 'rle') {
    const bytes =
      compression === 'native'
        ? nativeFrame(dataSet, format, frame)
        : decodeRle(encapsulatedFrame(dataSet, format, frame), format);
    const values = fromBitFields(wordsOf(bytes, format), format, format.highBit);
    const interleaved = compression === 'native' && format.planar ? interleave(values) : values;
    return format.photometric.startsWith('YBR') ? toRgb(interleaved, format) : interleaved;
  }
  const bytes = encapsulatedFrame(dataSet, format, frame);
  const size = checkCodestream(bytes, format);
  const samples = await {
    jpeg: decodeJpeg,
    'jpeg-lossless': decodeJpegLossless,
    'jpeg-ls': decodeJpegLs,
    'jpeg-2000': decodeJpeg2000,
  }[compression](bytes, size);
  const expected = format.width * format.height * format.channels;
  if (samples.length !== expected) {
    throw damaged(`a frame was decoded to ${samples.length} samples; expected ${expected}`);
  }
  // A lossy codec may overshoot BitsStored, which cutting off bits would turn into the opposite.
  const values =
    syntax.lossy && !format.signed
      ? Float32Array.from(samples)
      : fromBitFields(samples, format, format.bitsStored - 1);
  const stillYbr = compression === 'jpeg-ls' || compression === 'jpeg-lossless';
  return stillYbr && format.photometric.startsWith('YBR') ? toRgb(values, format) : values;
}

function wordsOf(bytes: Buffer, { bitsAllocated }: PixelFormat): Samples {
  if (bitsAllocated === 8) return bytes;
  return new Uint16Array(Uint8Array.from(bytes).buffer);
}

/** The BitsStored bits that end at `highBit`, as signed numbers where the file says so. Overlays may lie in the others. */
function fromBitFields(
  samples: Samples,
  { bitsStored, signed }: PixelFormat,
  highBit: number,
): Float32Array {
  const shift = highBit + 1 - bitsStored;
  const values = new Float32Array(samples.length);
  const unused = 32 - bitsStored;
  for (let i = 0; i < samples.length; ++i) {
    const bits = ((samples[i] as number) >> shift) << unused;
    values[i] = signed ? bits >> unused : bits >>> unused;
  }
  return values;
}

/** PS3.3 C.7.6.3.1.2, in full range. */
function toRgb(values: Float32Array, { bitsStored }: PixelFormat): Float32Array {
  const white = 2 ** bitsStored - 1;
  const middle = 2 ** (bitsStored - 1);
  const put = (at: number, value: number) => {
    values[at] = Math.min(Math.max(Math.round(value), 0), white);
  };
  for (let i = 0; i < values.length; i += 3) {
    const y = values[i] as number;
    const blue = (values[i + 1] as number) - middle;
    const red = (values[i + 2] as number) - middle;
    put(i, y + 1.402 * red);
    put(i + 1, y - 0.344136 * blue - 0.714136 * red);
    put(i + 2, y + 1.772 * blue);
  }
  return values;
}
