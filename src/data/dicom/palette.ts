// Indices into tables of colours: DICOM PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6.

import type { DataSet } from './data-set.js';
import { damaged, unsupported } from './errors.js';
import { type LookupTable, lookUp, readTable } from './lookup-table.js';
import type { PixelFormat } from './pixel-format.js';

/** Red, green, blue; the segmented form of each has the same tag 0x20 further. */
const tags = [
  { descriptor: 0x00281101, data: 0x00281201 },
  { descriptor: 0x00281102, data: 0x00281202 },
  { descriptor: 0x00281103, data: 0x00281203 },
] as const;
const toSegmented = 0x20;

export const paletteColor = 'PALETTE COLOR';

/** RGB in [0, 1] of a frame's indices, H×W×3. */
export function paletteColors(
  dataSet: DataSet,
  { signed }: PixelFormat,
  indices: Float32Array,
): Float32Array {
  const tables = tags.map((each) => readColour(dataSet, each, signed));
  const pixels = new Float32Array(indices.length * tables.length);
  for (const [channel, table] of tables.entries()) {
    const white = 2 ** table.bits - 1;
    for (let i = 0; i < indices.length; ++i) {
      const level = lookUp(table, indices[i] as number) / white;
      pixels[i * tables.length + channel] = Math.min(level, 1);
    }
  }
  return pixels;
}

function readColour(dataSet: DataSet, tag: (typeof tags)[number], signed: boolean): LookupTable {
  if (!dataSet.element(tag.descriptor))
    throw damaged('the palette of a PALETTE COLOR image is missing');
  if (!dataSet.element(tag.data) && dataSet.element(tag.data + toSegmented)) {
    throw unsupported('palettes in segments are not read here');
  }
  const table = readTable(dataSet, tag, signed);
  if (table.bits !== 8 && table.bits !== 16) {
    throw damaged(`a palette has entries of ${table.bits} bits; expected 8 or 16`);
  }
  return table;
}
