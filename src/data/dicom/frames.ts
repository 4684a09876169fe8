import type { DataSet } from './data-set.js';
import { type Element, pixelDataTag } from './elements.js';
import { damaged, unsupported } from './errors.js';
import type { PixelFormat } from './pixel-format.js';

/** The bytes of one frame of encapsulated pixel data (PS3.5 annex A.4). */
export function encapsulatedFrame(
  dataSet: DataSet,
  { frames }: PixelFormat,
  frame: number,
): Buffer {
  const { fragments } = pixelData(dataSet);
  if (!fragments || fragments.length < 2) throw damaged('the pixel data has no fragments');
  const [table, ...parts] = fragments as [Buffer, ...Buffer[]];
  if (frames === 1) return Buffer.concat(parts);
  if (parts.length === frames) return parts[frame] as Buffer;
  return Buffer.concat(partsOfFrame(table, parts, frames, frame));
}

/** The bytes of one frame of native pixel data, little endian. */
export function nativeFrame(dataSet: DataSet, format: PixelFormat, frame: number): Buffer {
  const { value, vr, fragments, encoding } = pixelData(dataSet);
  if (fragments) throw damaged('the pixel data is in fragments; the transfer syntax has none');
  const { width, height, channels, bitsAllocated, frames, photometric } = format;
  if (photometric === 'YBR_FULL_422')
    throw unsupported('uncompressed YBR_FULL_422 is not read here');
  const length = (width * height * channels * bitsAllocated) / 8;
  if (value.length < length * frames) {
    throw damaged(`the pixel data has ${value.length} bytes; expected ${length * frames}`);
  }
  const swapped = encoding.bigEndian && (bitsAllocated === 16 || vr === 'OW');
  if (!swapped) return value.subarray(frame * length, (frame + 1) * length);
  return Buffer.from(value.subarray(0, value.length & ~1))
    .swap16()
    .subarray(frame * length, (frame + 1) * length);
}

function pixelData(dataSet: DataSet): Element {
  const element = dataSet.element(pixelDataTag);
  if (!element) throw damaged('the file has no pixel data (7FE0,0010)');
  return element;
}

/** The fragments between a frame's offset and the next one's. */
function partsOfFrame(table: Buffer, parts: Buffer[], frames: number, frame: number): Buffer[] {
  if (table.length !== 4 * frames) {
    throw unsupported(
      `${frames} frames lie in ${parts.length} fragments without a table of offsets`,
    );
  }
  const from = table.readUInt32LE(4 * frame);
  const to = frame + 1 < frames ? table.readUInt32LE(4 * frame + 4) : Number.POSITIVE_INFINITY;
  let offset = 0;
  const found = parts.filter((part) => {
    const start = offset;
    offset += 8 + part.length;
    return start >= from && start < to;
  });
  if (found.length === 0)
    throw damaged(`the table of offsets leads to no fragment of frame ${frame}`);
  return found;
}
