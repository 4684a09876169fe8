// DICOM PS3.10: the preamble and the file meta group in front of the data set, both of which old files lack.

import { gunzipSync, inflateRawSync } from 'node:zlib';
import { DataSet } from './data-set.js';
import { type Element, ElementReader } from './elements.js';
import { damaged } from './errors.js';
import { type TransferSyntax, transferSyntax, undeclaredSyntax } from './transfer-syntaxes.js';

/** A file's data set and how it was written. */
export interface DicomFile {
  readonly syntax: TransferSyntax;
  readonly dataSet: DataSet;
}

/** What a compressed file may grow to. */
const maxInflated = 2 ** 30;
const metaGroup = 0x0002;
const transferSyntaxTag = 0x00020010;

/** @throws LatentrayError `ERR_DICOM_DECODE`, `ERR_DICOM_UNSUPPORTED` */
export function parseDicom(file: Buffer): DicomFile {
  const bytes = file[0] === 0x1f && file[1] === 0x8b ? inflate(gunzipSync, file) : file;
  const start = bytes.toString('latin1', 128, 132) === 'DICM' ? 132 : 0;
  const { meta, end } = readMeta(bytes, start);
  const uid = meta.text(transferSyntaxTag);
  const syntax = uid === undefined ? guessSyntax(bytes, end) : transferSyntax(uid);
  const rest = bytes.subarray(end);
  const content = syntax.deflated ? inflate(inflateRawSync, rest) : rest;
  return { syntax, dataSet: new DataSet(new ElementReader(content, syntax).readAll()) };
}

function readMeta(bytes: Buffer, start: number): { meta: DataSet; end: number } {
  const reader = new ElementReader(bytes, { explicit: true, bigEndian: false }, start);
  const elements = new Map<number, Element>();
  while (!reader.done && reader.peekGroup() === metaGroup) elements.set(...reader.read());
  return { meta: new DataSet(elements), end: reader.offset };
}

/** Data sets begin with a low group: 0008 as a rule. Its first byte tells the order. */
function guessSyntax(bytes: Buffer, at: number): TransferSyntax {
  if (bytes.length < at + 8)
    throw damaged('this is no DICOM file: it ends before its first element');
  const bigEndian = bytes[at] === 0 && bytes[at + 1] !== 0;
  const group = bigEndian ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at);
  if (group !== 0x0008 && group !== 0x0010) {
    throw damaged('this is no DICOM file: it has no preamble and begins with no known group');
  }
  return undeclaredSyntax(/^[A-Z]{2}$/.test(bytes.toString('latin1', at + 4, at + 6)), bigEndian);
}

function inflate(
  decompress: (bytes: Buffer, options: { maxOutputLength: number }) => Buffer,
  bytes: Buffer,
): Buffer {
  try {
    return decompress(bytes, { maxOutputLength: maxInflated });
  } catch (cause) {
    throw damaged(`the compressed part cannot be unpacked (${(cause as Error).message})`, cause);
  }
}
