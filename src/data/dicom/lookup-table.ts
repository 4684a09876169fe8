import type { DataSet } from './data-set.js';
import { damaged } from './errors.js';

/** A modality or VOI lookup table (PS3.3 C.11.1, C.11.2). */
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
  if (!item) return undefined;
  const [count = 0, , bits = 0] = item.integers(0x00283002);
  const [, first = 0] = item.integers(0x00283002, signed);
  const length = count & 0xffff || 65536;
  const entries = readEntries(item, length, bits);
  if (bits < 1 || bits > 16 || entries.length < length) {
    throw damaged(
      `a lookup table has ${entries.length} entries of ${bits} bits; expected ${length} of 1 to 16`,
    );
  }
  return { first, entries: entries.subarray(0, length), bits };
}

/** Words; or bytes, where a table of 8 bits has no more. */
function readEntries(item: DataSet, length: number, bits: number): Uint16Array {
  const value = item.element(0x00283006)?.value ?? Buffer.alloc(0);
  if (bits <= 8 && value.length < 2 * length) return Uint16Array.from(value);
  return Uint16Array.from(item.integers(0x00283006), (entry) => entry & 0xffff);
}

export function lookUp({ first, entries }: LookupTable, value: number): number {
  const place = Math.min(Math.max(Math.trunc(value) - first, 0), entries.length - 1);
  return entries[place] as number;
}
