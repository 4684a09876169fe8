import type { DataSet } from './data-set.js';
import { damaged } from './errors.js';

/** A modality, VOI or palette lookup table (PS3.3 C.11.1, C.11.2, C.7.6.3.1.5). */
export interface LookupTable {
  /** The value that the first entry is for. Smaller ones take the first entry, larger ones the last. */
  readonly first: number;
  readonly entries: Uint16Array;
  /** Of an entry. */
  readonly bits: number;
}

/**
 * The first table of a sequence, if there is one.
 *
 * @param signed - Whether the values that the table is for are signed.
 */
export function readLookupTable(
  dataSet: DataSet,
  tag: number,
  signed: boolean,
): LookupTable | undefined {
  const [item] = dataSet.items(tag);
  return item && readTable(item, { descriptor: 0x00283002, data: 0x00283006 }, signed);
}

/**
 * A table by the tags of its descriptor and its data.
 *
 * @param signed - As for {@link readLookupTable}.
 */
export function readTable(
  dataSet: DataSet,
  tags: { readonly descriptor: number; readonly data: number },
  signed: boolean,
): LookupTable {
  const [count = 0, , bits = 0] = dataSet.integers(tags.descriptor);
  const [, first = 0] = dataSet.integers(tags.descriptor, signed);
  const length = count & 0xffff || 65536;
  const entries = readEntries(dataSet, tags.data, length, bits);
  if (bits < 1 || bits > 16 || entries.length < length) {
    throw damaged(
      `a lookup table has ${entries.length} entries of ${bits} bits; expected ${length} of 1 to 16`,
    );
  }
  return { first, entries: entries.subarray(0, length), bits };
}

/** Words; or bytes, where a table of 8 bits has no more. */
function readEntries(dataSet: DataSet, tag: number, length: number, bits: number): Uint16Array {
  const element = dataSet.element(tag);
  const value = element?.value ?? Buffer.alloc(0);
  if (bits > 8 || value.length >= 2 * length) {
    return Uint16Array.from(dataSet.integers(tag), (entry) => entry & 0xffff);
  }
  // Of two bytes in a word, the lower comes first.
  const inWords = element?.encoding.bigEndian && element.vr !== 'OB' && value.length % 2 === 0;
  return Uint16Array.from(inWords ? Buffer.from(value).swap16() : value);
}

export function lookUp({ first, entries }: LookupTable, value: number): number {
  const place = Math.min(Math.max(Math.trunc(value) - first, 0), entries.length - 1);
  return entries[place] as number;
}
