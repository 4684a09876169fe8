// DICOM PS3.5 section 7: data elements, one after the other. Values are views into the file's bytes; nothing is copied, and sequences
// are only walked over until someone asks for their items.

import { damaged } from './errors.js';

/** How elements are written. */
export interface Encoding {
  readonly explicit: boolean;
  readonly bigEndian: boolean;
}

/** One element. */
export interface Element {
  /** As the file says it; undefined in implicit VR. */
  readonly vr: string | undefined;
  readonly value: Buffer;
  /** Of encapsulated pixel data: the offset table and the fragments. */
  readonly fragments?: readonly Buffer[];
  /** Of the items, where this is a sequence. */
  readonly encoding: Encoding;
}

export type Elements = ReadonlyMap<number, Element>;

export const pixelDataTag = 0x7fe00010;
const itemTag = 0xfffee000;
const itemEndTag = 0xfffee00d;
const sequenceEndTag = 0xfffee0dd;
const undefinedLength = 0xffffffff;

/** More than any radiograph has; a file of nothing but headers is refused before it fills the memory. */
const maxElements = 100_000;
const maxDepth = 32;

/** Representations whose length has four bytes after two reserved ones. */
const longVrs = new Set([
  'OB',
  'OD',
  'OF',
  'OL',
  'OV',
  'OW',
  'SQ',
  'SV',
  'UC',
  'UN',
  'UR',
  'UT',
  'UV',
]);

/** What stands before a value. */
interface Header {
  readonly tag: number;
  readonly vr: string | undefined;
  readonly length: number;
}

/** "(0028,0010)" */
export function showTag(tag: number): string {
  const hex = tag.toString(16).padStart(8, '0').toUpperCase();
  return `(${hex.slice(0, 4)},${hex.slice(4)})`;
}

/** Reads elements from `offset` on. */
export class ElementReader {
  readonly #bytes: Buffer;
  readonly #encoding: Encoding;
  #count = 0;
  offset: number;

  constructor(bytes: Buffer, encoding: Encoding, offset = 0) {
    this.#bytes = bytes;
    this.#encoding = encoding;
    this.offset = offset;
  }

  get done(): boolean {
    return this.offset >= this.#bytes.length;
  }

  /** Elements up to the end, or up to the pixel data, after which nothing is of interest. */
  readAll(): Map<number, Element> {
    const elements = new Map<number, Element>();
    while (!this.done) {
      const [tag, element] = this.read();
      elements.set(tag, element);
      if (tag === pixelDataTag) break;
    }
    return elements;
  }

  /** The next element's group, without moving on. */
  peekGroup(): number {
    return this.#need(2, 'a tag') && this.#uint16(this.offset);
  }

  read(): [tag: number, element: Element] {
    const { tag, vr, length } = this.#header(this.#encoding);
    const encoding = vr === 'UN' && length === undefinedLength ? implicit : this.#encoding;
    if (length !== undefinedLength) return [tag, { vr, value: this.#take(length, tag), encoding }];
    if (tag === pixelDataTag) return [tag, this.#encapsulated(vr)];
    const start = this.offset;
    const end = this.#skipItems(encoding, 1);
    return [tag, { vr, value: this.#bytes.subarray(start, end), encoding }];
  }

  /** The items of a sequence whose value this reader reads. */
  items(): Elements[] {
    const items: Elements[] = [];
    while (!this.done) {
      const { tag, length } = this.#header(this.#encoding);
      if (tag !== itemTag) throw damaged(`a sequence holds ${showTag(tag)} where an item is due`);
      const start = this.offset;
      const open = length === undefinedLength;
      const end = open
        ? this.#skipElements(this.#encoding, 1)
        : start + this.#take(length, tag).length;
      items.push(new ElementReader(this.#bytes.subarray(start, end), this.#encoding).readAll());
    }
    return items;
  }

  #encapsulated(vr: string | undefined): Element {
    const fragments: Buffer[] = [];
    for (;;) {
      const { tag, length } = this.#header(this.#encoding);
      if (tag === sequenceEndTag) break;
      if (tag !== itemTag)
        throw damaged(`the pixel data holds ${showTag(tag)} where a fragment is due`);
      fragments.push(this.#take(length, tag));
    }
    return { vr, value: Buffer.alloc(0), fragments, encoding: this.#encoding };
  }

  /** Moves behind a sequence of unknown length; returns where its items end. */
  #skipItems(encoding: Encoding, depth: number): number {
    for (;;) {
      const end = this.offset;
      const { tag, length } = this.#header(encoding);
      if (tag === sequenceEndTag) return end;
      if (tag !== itemTag) throw damaged(`a sequence holds ${showTag(tag)} where an item is due`);
      if (length === undefinedLength) this.#skipElements(encoding, depth);
      else this.#take(length, tag);
    }
  }

  /** Moves behind an item of unknown length; returns where its elements end. */
  #skipElements(encoding: Encoding, depth: number): number {
    if (depth > maxDepth) throw damaged(`sequences are nested more than ${maxDepth} deep`);
    for (;;) {
      const end = this.offset;
      const { tag, vr, length } = this.#header(encoding);
      if (tag === itemEndTag) return end;
      if (length === undefinedLength) this.#skipItems(vr === 'UN' ? implicit : encoding, depth + 1);
      else this.#take(length, tag);
    }
  }

  #header({ explicit }: Encoding): Header {
    if (++this.#count > maxElements)
      throw damaged(`the file has more than ${maxElements} elements`);
    this.#need(8, 'an element');
    const at = this.offset;
    const tag = this.#uint16(at) * 0x10000 + this.#uint16(at + 2);
    this.offset += 8;
    if (!explicit || tag >>> 16 === 0xfffe)
      return { tag, vr: undefined, length: this.#uint32(at + 4) };
    const vr = this.#bytes.toString('latin1', at + 4, at + 6);
    if (!/^[A-Z]{2}$/.test(vr)) throw damaged(`${showTag(tag)} has no value representation`);
    if (!longVrs.has(vr)) return { tag, vr, length: this.#uint16(at + 6) };
    this.#need(4, showTag(tag));
    this.offset += 4;
    return { tag, vr, length: this.#uint32(at + 8) };
  }

  #take(length: number, tag: number): Buffer {
    this.#need(length, showTag(tag));
    this.offset += length;
    return this.#bytes.subarray(this.offset - length, this.offset);
  }

  #need(length: number, what: string): true {
    const left = this.#bytes.length - this.offset;
    if (length > left)
      throw damaged(`the file ends within ${what}: expected ${length} bytes, found ${left}`);
    return true;
  }

  #uint16(at: number): number {
    return this.#encoding.bigEndian ? this.#bytes.readUInt16BE(at) : this.#bytes.readUInt16LE(at);
  }

  #uint32(at: number): number {
    return this.#encoding.bigEndian ? this.#bytes.readUInt32BE(at) : this.#bytes.readUInt32LE(at);
  }
}

const implicit: Encoding = { explicit: false, bigEndian: false };
