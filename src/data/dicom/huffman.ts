// ITU-T T.81 annex C and F.2.2: Huffman codes in a JPEG scan.

import { damaged } from './errors.js';

const maxCodeLength = 16;

/** Codes of up to 16 bits, looked up by length. */
export class HuffmanTable {
  readonly #symbols: Buffer;
  /** Behind the last code of each length; −1 where there is none. */
  readonly #ends = new Int32Array(maxCodeLength + 1).fill(-1);
  /** What added to a code of that length gives the place of its symbol. */
  readonly #shifts = new Int32Array(maxCodeLength + 1);

  /** @param counts - how many codes there are of 1 to 16 bits. */
  constructor(counts: Buffer, symbols: Buffer) {
    this.#symbols = symbols;
    let code = 0;
    let place = 0;
    for (let length = 1; length <= maxCodeLength; ++length) {
      const count = counts[length - 1] as number;
      this.#shifts[length] = place - code;
      code += count;
      place += count;
      if (code > 1 << length) throw damaged('a JPEG has an impossible Huffman table');
      this.#ends[length] = count > 0 ? code : -1;
      code <<= 1;
    }
  }

  read(bits: BitReader): number {
    let code = 0;
    for (let length = 1; length <= maxCodeLength; ++length) {
      code = code * 2 + bits.read(1);
      if (code < (this.#ends[length] as number)) {
        return this.#symbols[code + (this.#shifts[length] as number)] as number;
      }
    }
    throw damaged('a JPEG holds a Huffman code that its table does not have');
  }
}

/** The bits of a scan: zeros stuffed behind FF are left out, and a marker is the end. */
export class BitReader {
  readonly #bytes: Buffer;
  #offset: number;
  #buffer = 0;
  #count = 0;

  constructor(bytes: Buffer, offset: number) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  /** At most 16 bits. */
  read(count: number): number {
    while (this.#count < count) this.#fill();
    this.#count -= count;
    return (this.#buffer >>> this.#count) & ((1 << count) - 1);
  }

  /** A number of `count` bits whose highest bit tells its sign (F.2.2.1). */
  readSigned(count: number): number {
    if (count === 0) return 0;
    const value = this.read(count);
    return value < 2 ** (count - 1) ? value - 2 ** count + 1 : value;
  }

  /** Moves behind the marker between two restart intervals. */
  restart(): void {
    this.#count = 0;
    const marker = this.#bytes[this.#offset + 1] ?? 0;
    if (this.#bytes[this.#offset] !== 0xff || marker < 0xd0 || marker > 0xd7) {
      throw damaged('a JPEG lacks a restart marker');
    }
    this.#offset += 2;
  }

  #fill(): void {
    const byte = this.#bytes[this.#offset];
    const next = this.#bytes[this.#offset + 1];
    if (byte === undefined || (byte === 0xff && next !== 0))
      throw damaged('a JPEG scan ends too early');
    this.#offset += byte === 0xff ? 2 : 1;
    this.#buffer = ((this.#buffer << 8) | byte) & 0xffffff;
    this.#count += 8;
  }
}
