// What a compressed frame says of its own size. It is looked at before a decoder asks for memory.

import { damaged } from './errors.js';
import type { PixelFormat } from './pixel-format.js';

/** The size of a compressed frame. */
export interface CodestreamSize {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** Bits a sample. */
  readonly precision: number;
}

const jpeg2000Start = Buffer.from([0xff, 0x4f, 0xff, 0x51]);

/** @throws LatentrayError `ERR_DICOM_DECODE` when the frame has no header, or another size than the file says. */
export function checkCodestream(frame: Buffer, format: PixelFormat): CodestreamSize {
  const size = frame.subarray(0, 4).equals(jpeg2000Start) ? jpeg2000Size(frame) : jpegSize(frame);
  if (!size) throw damaged('a compressed frame has no header that says its size');
  const { width, height, channels } = format;
  if (size.width !== width || size.height !== height || size.channels !== channels) {
    throw damaged(
      `a compressed frame has ${size.width}×${size.height}×${size.channels} samples; expected ${width}×${height}×${channels}`,
    );
  }
  if (size.precision < 2 || size.precision > 16) {
    throw damaged(`a compressed frame has samples of ${size.precision} bits; expected 2 to 16`);
  }
  return size;
}

/** The frame header (SOF) of JPEG and JPEG-LS. */
function jpegSize(frame: Buffer): CodestreamSize | undefined {
  if (frame.length < 4 || frame.readUInt16BE(0) !== 0xffd8) return undefined;
  for (let at = 2; at + 10 <= frame.length; at += 2 + frame.readUInt16BE(at + 2)) {
    while (frame[at] === 0xff && frame[at + 1] === 0xff && at + 10 < frame.length) ++at;
    const marker = frame.readUInt16BE(at);
    if (isFrameHeader(marker)) {
      return {
        precision: frame[at + 4] as number,
        height: frame.readUInt16BE(at + 5),
        width: frame.readUInt16BE(at + 7),
        channels: frame[at + 9] as number,
      };
    }
    if (marker < 0xffc0 || marker === 0xffda) return undefined;
  }
  return undefined;
}

/** SOF0 to SOF15 without the tables in between (DHT, JPG, DAC), and SOF55. */
function isFrameHeader(marker: number): boolean {
  const tables = [0xffc4, 0xffc8, 0xffcc];
  return (marker >= 0xffc0 && marker <= 0xffcf && !tables.includes(marker)) || marker === 0xfff7;
}

/** SIZ, which follows the start of a JPEG 2000 codestream. */
function jpeg2000Size(frame: Buffer): CodestreamSize | undefined {
  if (frame.length < 45) return undefined;
  return {
    width: frame.readUInt32BE(8) - frame.readUInt32BE(16),
    height: frame.readUInt32BE(12) - frame.readUInt32BE(20),
    channels: frame.readUInt16BE(40),
    precision: ((frame[42] as number) & 0x7f) + 1,
  };
}
