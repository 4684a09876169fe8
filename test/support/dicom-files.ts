// Writes small DICOM files, so that each rule has a file of its own.

import { deflateRawSync } from 'node:zlib';

/** Tags by the names that the tests use, each with its representation. */
const dictionary = {
  modality: [0x00080060, 'CS'],
  viewCodes: [0x00540220, 'SQ'],
  codeMeaning: [0x00080104, 'LO'],
  patientName: [0x00100010, 'PN'],
  patientId: [0x00100020, 'LO'],
  bodyPart: [0x00180015, 'CS'],
  imagerSpacing: [0x00181164, 'DS'],
  view: [0x00185101, 'CS'],
  seriesLaterality: [0x00200060, 'CS'],
  laterality: [0x00200062, 'CS'],
  samples: [0x00280002, 'US'],
  photometric: [0x00280004, 'CS'],
  planar: [0x00280006, 'US'],
  frames: [0x00280008, 'IS'],
  rows: [0x00280010, 'US'],
  columns: [0x00280011, 'US'],
  spacing: [0x00280030, 'DS'],
  aspect: [0x00280034, 'IS'],
  bitsAllocated: [0x00280100, 'US'],
  bitsStored: [0x00280101, 'US'],
  highBit: [0x00280102, 'US'],
  signed: [0x00280103, 'US'],
  padding: [0x00280120, 'US'],
  paddingLimit: [0x00280121, 'US'],
  burnedIn: [0x00280301, 'CS'],
  windowCenter: [0x00281050, 'DS'],
  windowWidth: [0x00281051, 'DS'],
  intercept: [0x00281052, 'DS'],
  slope: [0x00281053, 'DS'],
  windowFunction: [0x00281056, 'CS'],
  redDescriptor: [0x00281101, 'US'],
  greenDescriptor: [0x00281102, 'US'],
  blueDescriptor: [0x00281103, 'US'],
  signedRedDescriptor: [0x00281101, 'SS'],
  signedGreenDescriptor: [0x00281102, 'SS'],
  signedBlueDescriptor: [0x00281103, 'SS'],
  redPalette: [0x00281201, 'OW'],
  greenPalette: [0x00281202, 'OW'],
  bluePalette: [0x00281203, 'OW'],
  segmentedRedPalette: [0x00281221, 'OW'],
  modalityTables: [0x00283000, 'SQ'],
  tableDescriptor: [0x00283002, 'US'],
  signedTableDescriptor: [0x00283002, 'SS'],
  tableData: [0x00283006, 'US'],
  voiTables: [0x00283010, 'SQ'],
  privateSequence: [0x00091010, 'SQ'],
  pixelData: [0x7fe00010, 'OW'],
} as const;

/** Text, numbers of two bytes, bytes as they are, or the items of a sequence. */
export type Value = string | number | readonly number[] | Buffer | readonly Values[];
export type Values = { readonly [Name in keyof typeof dictionary]?: Value };

export interface FileOptions {
  /** @default explicit little endian */
  readonly syntax?: string;
  /** Fragments, which make the pixel data encapsulated. */
  readonly fragments?: readonly Buffer[];
  /** The offset table of the fragments. */
  readonly offsets?: readonly number[];
  /** @default true */
  readonly preamble?: boolean;
  /** Sequences and items without a length, closed by delimiters. */
  readonly openSequences?: boolean;
}

const root = '1.2.840.10008.1.2';
export const syntaxes = {
  implicit: root,
  explicit: `${root}.1`,
  deflated: `${root}.1.99`,
  bigEndian: `${root}.2`,
  rle: `${root}.5`,
  jpegBaseline: `${root}.4.50`,
  jpegExtended: `${root}.4.51`,
  jpegLossless: `${root}.4.70`,
  jpegLs: `${root}.4.80`,
  jpeg2000: `${root}.4.90`,
} as const;

interface Style {
  readonly explicit: boolean;
  readonly bigEndian: boolean;
  readonly open: boolean;
}

/** A grey image of 4×2 pixels with 16 bits, unless `values` says otherwise. */
export function dicomFile(values: Values = {}, options: FileOptions = {}): Buffer {
  const { syntax = syntaxes.explicit, fragments, preamble = true } = options;
  const style = {
    explicit: syntax !== syntaxes.implicit,
    bigEndian: syntax === syntaxes.bigEndian,
    open: options.openSequences ?? false,
  };
  const all = { ...defaults, ...values };
  if (fragments) delete all.pixelData;
  const pixels = fragments ? encapsulated(fragments, options.offsets ?? []) : Buffer.alloc(0);
  const body = Buffer.concat([writeItem(all, style), pixels]);
  if (!preamble) return body;
  const meta = writeElement(
    0x00020010,
    'UI',
    Buffer.from(evenText(syntax, '\0'), 'latin1'),
    little,
  );
  const content = syntax === syntaxes.deflated ? deflateRawSync(body) : body;
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), meta, content]);
}

const little: Style = { explicit: true, bigEndian: false, open: false };

const defaults: Values = {
  modality: 'DX',
  samples: 1,
  photometric: 'MONOCHROME2',
  rows: 2,
  columns: 4,
  bitsAllocated: 16,
  bitsStored: 12,
  highBit: 11,
  signed: 0,
  pixelData: [0, 1, 2, 3, 1000, 2047, 2048, 4095],
};

function writeItem(values: Values, style: Style): Buffer {
  const elements = Object.entries(values).map(([name, value]) => {
    const [tag, vr] = dictionary[name as keyof Values];
    return { tag, bytes: writeElement(tag, vr, valueBytes(value, style), style) };
  });
  elements.sort((a, b) => a.tag - b.tag);
  return Buffer.concat(elements.map(({ bytes }) => bytes));
}

function valueBytes(value: Value, style: Style): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value === 'string') return Buffer.from(evenText(value, ' '), 'latin1');
  const list: readonly (number | Values)[] = typeof value === 'number' ? [value] : value;
  return Buffer.concat(
    list.map((part) => (typeof part === 'number' ? uint16(part, style) : item(part, style))),
  );
}

function item(values: Values, style: Style): Buffer {
  const content = writeItem(values, style);
  const length = style.open ? 0xffffffff : content.length;
  const end = style.open ? [uint16(0xfffe, style), uint16(0xe00d, style), uint32(0, style)] : [];
  return Buffer.concat([
    uint16(0xfffe, style),
    uint16(0xe000, style),
    uint32(length, style),
    content,
    ...end,
  ]);
}

function writeElement(tag: number, vr: string, value: Buffer, style: Style): Buffer {
  const open = style.open && vr === 'SQ';
  const length = open ? 0xffffffff : value.length;
  const long = ['OB', 'OW', 'SQ'].includes(vr);
  const head = [uint16(tag >>> 16, style), uint16(tag & 0xffff, style)];
  if (style.explicit) head.push(Buffer.from(vr));
  if (style.explicit && long) head.push(Buffer.alloc(2));
  head.push(style.explicit && !long ? uint16(length, style) : uint32(length, style));
  const end = open ? [uint16(0xfffe, style), uint16(0xe0dd, style), uint32(0, style)] : [];
  return Buffer.concat([...head, value, ...end]);
}

/** Pixel data in fragments, always in explicit little endian. */
function encapsulated(fragments: readonly Buffer[], offsets: readonly number[]): Buffer {
  const table = Buffer.concat(offsets.map((offset) => uint32(offset, little)));
  const parts = [table, ...fragments].map((fragment) => {
    const padded = Buffer.concat([fragment, Buffer.alloc(fragment.length % 2)]);
    return Buffer.concat([Buffer.from('feff00e0', 'hex'), uint32(padded.length, little), padded]);
  });
  return Buffer.concat([
    Buffer.from('e07f10004f420000ffffffff', 'hex'),
    ...parts,
    Buffer.from('feffdde000000000', 'hex'),
  ]);
}

function evenText(text: string, padding: string): string {
  return text.length % 2 === 0 ? text : text + padding;
}

function uint16(value: number, { bigEndian }: Style): Buffer {
  const bytes = Buffer.alloc(2);
  if (bigEndian) bytes.writeUInt16BE(value & 0xffff);
  else bytes.writeUInt16LE(value & 0xffff);
  return bytes;
}

function uint32(value: number, { bigEndian }: Style): Buffer {
  const bytes = Buffer.alloc(4);
  if (bigEndian) bytes.writeUInt32BE(value);
  else bytes.writeUInt32LE(value);
  return bytes;
}
