// Whatever stands in a DICOM file, it is read or refused, in bounded time and memory.

import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { type DecodeSettings, decodeDicom } from '../../src/data/dicom/decode.js';
import { readDicom } from '../../src/index.js';
import {
  encodeExtendedJpeg,
  encodeJpeg2000,
  encodeJpegLossless,
  encodeJpegLs,
  encodeRle,
  type Frame,
} from '../support/compressed-frames.js';
import { dicomFile, syntaxes, type Values } from '../support/dicom-files.js';
import { mutatedBytes, surviveMutations } from '../support/mutations.js';

const settings: DecodeSettings = {
  values: 'display',
  window: 'file',
  frame: 0,
  identifiers: true,
  maxPixels: 1_000_000,
};

const rich: Values = {
  voiTables: [{ tableDescriptor: [4, 0, 10], tableData: [0, 1023, 511, 100] }],
  modalityTables: [{ tableDescriptor: [3, 1, 16], tableData: [50, 40, 60000] }],
  viewCodes: [{ codeMeaning: 'lateral' }],
  spacing: '0.4\\0.2',
  patientName: 'Nobody',
};

const side = 16;
const frame: Frame = {
  width: side,
  height: side,
  bits: 12,
  samples: Array.from({ length: side * side }, (_, i) => (i * 97) % 4096),
};
const compressed: Values = { rows: side, columns: side };
const windowed: Values = { ...compressed, windowCenter: '500', windowWidth: '900' };

const palette: Values = {
  photometric: 'PALETTE COLOR',
  redDescriptor: [3, 0, 8],
  greenDescriptor: [3, 1, 16],
  blueDescriptor: [3, 0, 8],
  redPalette: Buffer.from([0, 128, 255, 0]),
  greenPalette: [0, 32768, 65535],
  bluePalette: Buffer.from([255, 128, 0, 0]),
};

const files: Record<string, Buffer> = {
  explicit: dicomFile(rich),
  'implicit, open sequences': dicomFile(rich, { syntax: syntaxes.implicit, openSequences: true }),
  'big endian': dicomFile(rich, { syntax: syntaxes.bigEndian }),
  deflated: dicomFile(rich, { syntax: syntaxes.deflated }),
  'without preamble': dicomFile(rich, { preamble: false }),
  RLE: dicomFile(windowed, { syntax: syntaxes.rle, fragments: [encodeRle(frame)] }),
  'JPEG of 12 bits': dicomFile(windowed, {
    syntax: syntaxes.jpegExtended,
    fragments: [encodeExtendedJpeg(frame)],
  }),
  'palette colour': dicomFile(palette),
  'lossless JPEG': dicomFile(compressed, {
    syntax: syntaxes.jpegLossless,
    fragments: [encodeJpegLossless(frame)],
  }),
};

/** Frames for the decoders in WebAssembly, of which the frames themselves are changed too. */
const wasmFrames = {
  'JPEG-LS': { syntax: syntaxes.jpegLs, stream: await encodeJpegLs(frame) },
  'JPEG 2000': { syntax: syntaxes.jpeg2000, stream: await encodeJpeg2000(frame) },
};
const kinds = Object.keys(files).length + Object.keys(wasmFrames).length;
const codes = ['ERR_DICOM_DECODE', 'ERR_DICOM_UNSUPPORTED'];

/** Bytes behind the preamble replaced by others, so that most of the structure stays. */
function overwrittenBytes(original: Buffer): fc.Arbitrary<Buffer> {
  const edit = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
  return fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => {
    const bytes = Buffer.from(original);
    for (const [at, byte] of edits) bytes[at] = byte;
    return bytes;
  });
}

for (const [name, file] of Object.entries(files)) {
  t.test(name, async (t) => {
    await surviveMutations(t, {
      sharedBy: kinds,
      mutations: fc.oneof(mutatedBytes(file), overwrittenBytes(file)),
      codes,
      read: (content) => decodeDicom(content, settings),
    });
  });
}

for (const [name, { syntax, stream }] of Object.entries(wasmFrames)) {
  t.test(name, async (t) => {
    const file = (fragment: Buffer) => dicomFile(windowed, { syntax, fragments: [fragment] });
    const whole = file(stream);
    await surviveMutations(t, {
      sharedBy: kinds,
      mutations: fc.oneof(
        mutatedBytes(stream).map(file),
        overwrittenBytes(stream).map(file),
        overwrittenBytes(whole),
      ),
      codes,
      // A stack of WebAssembly is unwound for each refusal.
      maxCpuMs: 1000,
      read: (content) => decodeDicom(content, settings),
    });
  });
}

t.test('a JPEG-LS frame that is cut off is refused at once', async (t) => {
  const { syntax, stream } = wasmFrames['JPEG-LS'];
  for (let length = 30; length < stream.length - 2; length += 20) {
    const fragments = [stream.subarray(0, length)];
    await t.rejects(decodeDicom(dicomFile(windowed, { syntax, fragments }), settings), {
      code: 'ERR_DICOM_DECODE',
      message: /cut off/,
    });
  }
});

t.test('cut off anywhere', async (t) => {
  const file = dicomFile(rich);
  for (let length = 0; length < file.length; ++length) {
    await t.rejects(decodeDicom(file.subarray(0, length), settings), { code: 'ERR_DICOM_DECODE' });
  }
});

/** An element of explicit little endian: its tag, its representation, and what follows. */
function element(tag: string, vr: string, rest: string): Buffer {
  return Buffer.concat([Buffer.from(tag, 'hex'), Buffer.from(vr), Buffer.from(rest, 'hex')]);
}

t.test('hostile sizes', async (t) => {
  const absurd = dicomFile({ rows: 65535, columns: 65535 });
  await t.rejects(readDicom(absurd), { code: 'ERR_DICOM_UNSUPPORTED', message: /maxPixels/ });
  await t.rejects(readDicom(dicomFile({ rows: 5000, columns: 5000 })), {
    code: 'ERR_DICOM_DECODE',
    message: /16 bytes; expected 50000000/,
  });
  await t.rejects(readDicom(dicomFile({ rows: 0 })), { code: 'ERR_DICOM_DECODE' });
  await t.rejects(readDicom(dicomFile({ frames: '1000000' })), { code: 'ERR_DICOM_DECODE' });
  await t.rejects(readDicom(dicomFile({ frames: '-1' })), { code: 'ERR_DICOM_DECODE' });
  const beyond = Buffer.concat([
    dicomFile().subarray(0, 160),
    element('08006000', 'UN', '0000ffffff7f'),
  ]);
  await t.rejects(readDicom(beyond), { code: 'ERR_DICOM_DECODE', message: /ends within/ });
});

t.test('hostile structures', async (t) => {
  const start = dicomFile().subarray(0, dicomFile().indexOf(Buffer.from('08006000', 'hex')));
  const sequence = element('09001010', 'SQ', '0000fffffffffeff00e0ffffffff');
  const deep = Buffer.concat([start, ...Array(50_000).fill(sequence)]);
  await t.rejects(readDicom(deep), { code: 'ERR_DICOM_DECODE', message: /nested/ });
  const many = Buffer.concat([start, ...Array(200_000).fill(element('08006000', 'CS', '0000'))]);
  await t.rejects(readDicom(many), { code: 'ERR_DICOM_DECODE', message: /more than 100000/ });
  const bomb = gzipSync(Buffer.alloc(2 ** 30 + 1), { level: 1 });
  await t.rejects(readDicom(bomb), { code: 'ERR_DICOM_DECODE', message: /unpacked/ });
});

t.test('kinds that are not read', async (t) => {
  const { redPalette: _, ...rest } = palette;
  const segmented: Values = { ...rest, segmentedRedPalette: [0, 1, 2] };
  const cases: [Buffer, RegExp][] = [
    [dicomFile({}, { syntax: '1.2.840.10008.1.2.4.201' }), /1\.2\.840\.10008\.1\.2\.4\.201/],
    [dicomFile({}, { syntax: 'Nobody' }), /no identifier/],
    [dicomFile({ photometric: 'CMYK' }), /CMYK/],
    [dicomFile(segmented), /segments/],
    [dicomFile({ photometric: 'RGB' }), /RGB with 1 samples/],
    [dicomFile({ bitsAllocated: 32 }), /32 bits/],
  ];
  for (const [file, message] of cases) {
    await t.rejects(readDicom(file), { code: 'ERR_DICOM_UNSUPPORTED', message });
  }
  await t.rejects(readDicom(dicomFile({ bitsStored: 13 })), { code: 'ERR_DICOM_DECODE' });
  await t.rejects(readDicom(dicomFile({ highBit: 16 })), { code: 'ERR_DICOM_DECODE' });
});
