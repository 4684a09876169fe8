// ITU-T T.81: sequential DCT with 12 bits a sample and one component, which no library that Node has reads.

import { damaged, unsupported } from './errors.js';
import { BitReader, HuffmanTable } from './huffman.js';
import { inverseDct } from './inverse-dct.js';

/** Tables and sizes that the markers before the scan set. */
interface Scan {
  readonly quantisation: Map<number, Uint16Array>;
  readonly huffman: Map<number, HuffmanTable>;
  frame: { width: number; height: number; quantisation: number } | undefined;
  restartInterval: number;
}

/** Where the n-th coefficient of a block lies: along the diagonals, there and back. */
const zigzag = diagonals();

export function decodeExtendedJpeg(bytes: Buffer): Uint16Array {
  const scan: Scan = {
    quantisation: new Map(),
    huffman: new Map(),
    frame: undefined,
    restartInterval: 0,
  };
  for (let at = 2; at + 4 <= bytes.length; ) {
    const marker = bytes.readUInt16BE(at);
    const end = at + 2 + bytes.readUInt16BE(at + 2);
    if (marker < 0xffc0 || end > bytes.length) break;
    const segment = bytes.subarray(at + 4, end);
    if (marker === 0xffda) return decodeScan(scan, segment, new BitReader(bytes, end));
    readSegment(scan, marker, segment);
    at = end;
  }
  throw damaged('a JPEG has no scan');
}

function readSegment(scan: Scan, marker: number, segment: Buffer): void {
  if (marker === 0xffdb) readQuantisation(scan, segment);
  else if (marker === 0xffc4) readHuffman(scan, segment);
  else if (marker === 0xffdd) scan.restartInterval = need(segment, 2).readUInt16BE(0);
  else if (marker === 0xffc0 || marker === 0xffc1) {
    need(segment, 9);
    scan.frame = {
      height: segment.readUInt16BE(1),
      width: segment.readUInt16BE(3),
      quantisation: segment[8] as number,
    };
  } else if (marker >= 0xffc2 && marker <= 0xffcf) {
    throw unsupported('a progressive or arithmetic-coded JPEG of 12 bits is not read here');
  }
}

function readQuantisation({ quantisation }: Scan, segment: Buffer): void {
  for (let at = 0; at < segment.length; ) {
    const header = segment[at++] as number;
    const bytes = header >> 4 ? 2 : 1;
    const values = need(segment.subarray(at), 64 * bytes);
    const table = Uint16Array.from(zigzag, (_, i) => values.readUIntBE(i * bytes, bytes));
    quantisation.set(header & 15, table);
    at += 64 * bytes;
  }
}

function readHuffman({ huffman }: Scan, segment: Buffer): void {
  for (let at = 0; at < segment.length; ) {
    const counts = need(segment.subarray(at + 1), 16).subarray(0, 16);
    const total = counts.reduce((sum, count) => sum + count, 0);
    const symbols = need(segment.subarray(at + 17), total).subarray(0, total);
    huffman.set(segment[at] as number, new HuffmanTable(counts, symbols));
    at += 17 + total;
  }
}

function decodeScan(scan: Scan, segment: Buffer, bits: BitReader): Uint16Array {
  const { frame, restartInterval } = scan;
  const tables = need(segment, 3)[2] as number;
  const dc = scan.huffman.get(tables >> 4);
  const ac = scan.huffman.get(0x10 | (tables & 15));
  const quantisation = frame && scan.quantisation.get(frame.quantisation);
  if (!frame || !dc || !ac || !quantisation)
    throw damaged('a JPEG lacks a table that its scan uses');
  const { width, height } = frame;
  const out = new Uint16Array(width * height);
  const columns = Math.ceil(width / 8);
  const blocks = columns * Math.ceil(height / 8);
  const block = new Int32Array(64);
  let mean = 0;
  for (let index = 0; index < blocks; ++index) {
    if (restartInterval > 0 && index > 0 && index % restartInterval === 0) {
      bits.restart();
      mean = 0;
    }
    block.fill(0);
    mean += bits.readSigned(dc.read(bits) & 15);
    block[0] = mean * (quantisation[0] as number);
    readDetails(block, ac, quantisation, bits);
    inverseDct(block);
    putBlock(out, block, width, 8 * (index % columns), 8 * Math.floor(index / columns));
  }
  return out;
}

/** The 63 coefficients behind the mean: runs of zeros, each with the number that ends it (F.2.2.2). */
function readDetails(
  block: Int32Array,
  table: HuffmanTable,
  quantisation: Uint16Array,
  bits: BitReader,
): void {
  for (let place = 1; place < 64; ++place) {
    const symbol = table.read(bits);
    const size = symbol & 15;
    if (size === 0 && symbol !== 0xf0) return;
    place += symbol >> 4;
    if (place > 63) throw damaged('a JPEG block has more than 64 coefficients');
    block[zigzag[place] as number] = bits.readSigned(size) * (quantisation[place] as number);
  }
}

/** Grey levels around the middle of 12 bits; what overhangs the image is left out. */
function putBlock(out: Uint16Array, block: Int32Array, width: number, left: number, top: number) {
  const height = out.length / width;
  for (let y = top; y < Math.min(top + 8, height); ++y) {
    for (let x = left; x < Math.min(left + 8, width); ++x) {
      const value = (block[(y - top) * 8 + x - left] as number) + 2048;
      out[y * width + x] = Math.min(Math.max(value, 0), 4095);
    }
  }
}

function need(segment: Buffer, length: number): Buffer {
  if (segment.length < length) throw damaged('a JPEG segment ends too early');
  return segment;
}

function diagonals(): readonly number[] {
  const cells = Array.from({ length: 64 }, (_, i) => ({ x: i % 8, y: i >> 3 }));
  const along = ({ x, y }: { x: number; y: number }) => ((x + y) % 2 === 0 ? x : y);
  cells.sort((a, b) => a.x + a.y - (b.x + b.y) || along(a) - along(b));
  return cells.map(({ x, y }) => 8 * y + x);
}
