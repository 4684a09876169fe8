// DICOM PS3.5 annex G: each byte of a sample in a segment of its own, the highest first, packed as in TIFF's PackBits.

import { damaged } from './errors.js';
import type { PixelFormat } from './pixel-format.js';

const headerLength = 64;

/** Samples, little endian, the channels of a pixel beside each other. */
export function decodeRle(frame: Buffer, format: PixelFormat): Buffer {
  const { width, height, channels, bitsAllocated } = format;
  const bytes = bitsAllocated / 8;
  const stride = channels * bytes;
  if (frame.length < headerLength) throw damaged('an RLE frame ends within its header');
  const count = frame.readUInt32LE(0);
  if (count !== stride) throw damaged(`an RLE frame has ${count} segments; expected ${stride}`);
  const out = Buffer.alloc(width * height * stride);
  for (let segment = 0; segment < count; ++segment) {
    const channel = Math.floor(segment / bytes);
    const byte = bytes - 1 - (segment % bytes);
    const packed = segmentBytes(frame, segment, count);
    unpack(packed, out, channel * bytes + byte, stride);
  }
  return out;
}

function segmentBytes(frame: Buffer, segment: number, count: number): Buffer {
  const start = frame.readUInt32LE(4 + 4 * segment);
  const end = segment + 1 < count ? frame.readUInt32LE(8 + 4 * segment) : frame.length;
  if (start < headerLength || start > end || end > frame.length) {
    throw damaged(`RLE segment ${segment} lies outside of its frame`);
  }
  return frame.subarray(start, end);
}

/** Writes every `stride`th byte of `out`, beginning at `first`. */
function unpack(packed: Buffer, out: Buffer, first: number, stride: number): void {
  let to = first;
  for (let from = 0; from < packed.length && to < out.length; ) {
    const control = packed[from++] as number;
    if (control === 128) continue;
    const literal = control < 128;
    const length = literal ? control + 1 : 257 - control;
    if (from + (literal ? length : 1) > packed.length)
      throw damaged('an RLE run ends beyond its segment');
    for (let i = 0; i < length && to < out.length; ++i, to += stride) {
      out[to] = packed[literal ? from + i : from] as number;
    }
    from += literal ? length : 1;
  }
  if (to < out.length) throw damaged('an RLE segment has too few samples');
}
