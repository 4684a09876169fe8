import sharp from 'sharp';
import t from 'tap';
import { importCodec } from '../../src/data/dicom/codecs.js';
import { readDicom } from '../../src/index.js';
import {
  encodeExtendedJpeg,
  encodeJpeg2000,
  encodeJpegLossless,
  encodeJpegLs,
  encodeRle,
  type Frame,
} from '../support/compressed-frames.js';
import { dicomFile, type FileOptions, syntaxes, type Values } from '../support/dicom-files.js';

const width = 21;
const height = 11;
const length = width * height;

function grey(bits: number): Frame {
  const samples = Array.from({ length }, (_, i) =>
    i % 7 === 0 ? 0 : Math.round((Math.sin(i / 9) + 1) * 0.5 * (2 ** bits - 1)),
  );
  return { width, height, samples, bits };
}

const colour: Frame = {
  width,
  height,
  channels: 3,
  bits: 8,
  samples: Array.from({ length: 3 * length }, (_, i) => (i * 37) % 256),
};

function describe({ bits, channels = 1, signed = false }: Frame, photometric: string): Values {
  const bitsAllocated = bits > 8 ? 16 : 8;
  return {
    rows: height,
    columns: width,
    samples: channels,
    photometric,
    bitsAllocated,
    bitsStored: bits,
    highBit: bits - 1,
    signed: signed ? 1 : 0,
  };
}

async function decode(frame: Frame, options: FileOptions, photometric = 'MONOCHROME2') {
  const file = dicomFile(describe(frame, photometric), options);
  return Array.from((await readDicom(file, { values: 'stored' })).pixels);
}

const lossless: Record<string, [syntax: string, (frame: Frame) => Buffer | Promise<Buffer>]> = {
  RLE: [syntaxes.rle, encodeRle],
  'lossless JPEG': [syntaxes.jpegLossless, encodeJpegLossless],
  'JPEG-LS': [syntaxes.jpegLs, (frame) => encodeJpegLs(frame)],
  'JPEG 2000': [syntaxes.jpeg2000, encodeJpeg2000],
};

for (const [name, [syntax, encode]] of Object.entries(lossless)) {
  t.test(`${name} gives back every sample`, async (t) => {
    for (const bits of [8, 10, 12, 16]) {
      const frame = grey(bits);
      const bytes = await encode(frame);
      t.same(await decode(frame, { syntax, fragments: [bytes] }), frame.samples, `${bits} bits`);
    }
  });
}

t.test('a frame may lie in several fragments', async (t) => {
  const frame = grey(12);
  const bytes = await encodeJpeg2000(frame);
  const fragments = [bytes.subarray(0, 20), bytes.subarray(20, 30), bytes.subarray(30)];
  t.same(await decode(frame, { syntax: syntaxes.jpeg2000, fragments }), frame.samples);
});

t.test('signed samples', async (t) => {
  const frame = { ...grey(12), signed: true };
  const expected = frame.samples.map((value) => (value > 2047 ? value - 4096 : value));
  for (const [syntax, encode] of [
    [syntaxes.rle, encodeRle],
    [syntaxes.jpegLossless, encodeJpegLossless],
  ] as const) {
    t.same(await decode(frame, { syntax, fragments: [encode(frame)] }), expected);
  }
  const whole = { ...frame, samples: expected };
  const bytes = await encodeJpeg2000(whole);
  t.same(await decode(whole, { syntax: syntaxes.jpeg2000, fragments: [bytes] }), expected);
});

t.test('colour', async (t) => {
  const planes = [0, 1, 2].flatMap((c) => colour.samples.filter((_, i) => i % 3 === c));
  const cases: [string, Buffer, string][] = [
    [syntaxes.rle, encodeRle(colour), 'RGB'],
    [syntaxes.jpegLs, await encodeJpegLs({ ...colour, samples: planes }, 0), 'RGB'],
    [syntaxes.jpegLs, await encodeJpegLs(colour, 2), 'RGB'],
    [syntaxes.jpeg2000, await encodeJpeg2000(colour), 'YBR_RCT'],
  ];
  for (const [syntax, bytes, photometric] of cases) {
    const found = await decode(colour, { syntax, fragments: [bytes] }, photometric);
    t.same(found, colour.samples, syntax);
  }
  const raw = { width, height, channels: 3 } as const;
  const flat = Buffer.from(Array.from({ length: 3 * length }, (_, i) => [200, 60, 20][i % 3] ?? 0));
  const jpeg = await sharp(flat, { raw }).jpeg({ quality: 100 }).toBuffer();
  const options = { syntax: syntaxes.jpegBaseline, fragments: [jpeg] };
  const found = await decode(colour, options, 'YBR_FULL_422');
  t.ok(found.every((value, i) => Math.abs(value - (flat[i] as number)) <= 2));
});

t.test('baseline JPEG', async (t) => {
  const frame = grey(8);
  const raw = { width, height, channels: 1 } as const;
  const bytes = await sharp(Buffer.from(frame.samples), { raw })
    .toColourspace('b-w')
    .jpeg({ quality: 100 })
    .toBuffer();
  for (const syntax of [syntaxes.jpegBaseline, syntaxes.jpegExtended]) {
    const found = await decode(frame, { syntax, fragments: [bytes] });
    t.ok(found.every((value, i) => Math.abs(value - (frame.samples[i] as number)) <= 4));
  }
});

t.test('JPEG of 12 bits', async (t) => {
  const frame = grey(12);
  for (const restartInterval of [0, 1, 2]) {
    const fragments = [encodeExtendedJpeg(frame, { restartInterval })];
    const found = await decode(frame, { syntax: syntaxes.jpegExtended, fragments });
    // Coefficients are rounded to whole numbers, and so are the samples.
    t.ok(found.every((value, i) => Math.abs(value - (frame.samples[i] as number)) <= 2));
  }
});

t.test('a lossy codec that overshoots BitsStored is not wrapped around', async (t) => {
  const frame = { ...grey(12), samples: Array(length).fill(1030) };
  const values = { ...describe(frame, 'MONOCHROME2'), bitsStored: 10, highBit: 9 };
  const file = dicomFile(values, {
    syntax: syntaxes.jpegExtended,
    fragments: [encodeExtendedJpeg(frame)],
  });
  t.ok((await readDicom(file, { values: 'stored' })).pixels.every((value) => value === 1030));
  t.ok((await readDicom(file)).pixels.every((value) => value === 1));
});

t.test('frames in fragments', async (t) => {
  const [first, second] = [grey(8), { ...grey(8), samples: grey(8).samples.map((v) => 255 - v) }];
  const parts = [encodeRle(first), encodeRle(second)] as const;
  const values: Values = { ...describe(first, 'MONOCHROME2'), frames: '2' };
  const settings = { values: 'stored', frame: 1 } as const;
  const each = dicomFile(values, { syntax: syntaxes.rle, fragments: parts });
  t.same(Array.from((await readDicom(each, settings)).pixels), second.samples);

  const split = [parts[0], parts[1].subarray(0, 70), parts[1].subarray(70)];
  const offsets = [0, 8 + parts[0].length];
  const table = dicomFile(values, { syntax: syntaxes.rle, fragments: split, offsets });
  t.same(Array.from((await readDicom(table, settings)).pixels), second.samples);
  const none = dicomFile(values, { syntax: syntaxes.rle, fragments: split });
  await t.rejects(readDicom(none, settings), { code: 'ERR_DICOM_UNSUPPORTED' });
});

t.test('a frame of another size than the file says is refused before it is decoded', async (t) => {
  const frame = grey(12);
  const cases: [string, Buffer][] = [
    [syntaxes.jpegExtended, encodeExtendedJpeg(frame)],
    [syntaxes.jpegLossless, encodeJpegLossless(frame)],
    [syntaxes.jpegLs, await encodeJpegLs(frame)],
    [syntaxes.jpeg2000, await encodeJpeg2000(frame)],
  ];
  for (const [syntax, bytes] of cases) {
    const values = { ...describe(frame, 'MONOCHROME2'), rows: height + 1 };
    await t.rejects(readDicom(dicomFile(values, { syntax, fragments: [bytes] })), {
      code: 'ERR_DICOM_DECODE',
      message: /21×11×1 samples; expected 21×12×1/,
    });
  }
});

t.test('a frame that is cut off or of another compression is refused', async (t) => {
  const frame = grey(12);
  const cases: [string, Buffer][] = [
    [syntaxes.rle, encodeRle(frame)],
    [syntaxes.jpegExtended, encodeExtendedJpeg(frame)],
    [syntaxes.jpegLs, await encodeJpegLs(frame)],
    [syntaxes.jpeg2000, await encodeJpeg2000(frame)],
  ];
  for (const [syntax, bytes] of cases) {
    const half = bytes.subarray(0, bytes.length >> 1);
    if (syntax !== syntaxes.jpeg2000) {
      await t.rejects(decode(frame, { syntax, fragments: [half] }), { code: 'ERR_DICOM_DECODE' });
    }
    for (const [other, wrong] of cases) {
      if (other === syntax) continue;
      const reading = decode(frame, { syntax, fragments: [wrong] });
      await t.rejects(reading, { code: 'ERR_DICOM_DECODE' }, `${other} as ${syntax}`);
    }
  }
});

t.test('a missing codec is named', async (t) => {
  await t.rejects(importCodec('no-such-codec-as-this/decode', 'no-such-codec-as-this'), {
    code: 'ERR_DICOM_CODEC',
    package: 'no-such-codec-as-this',
    message: /npm install no-such-codec-as-this$/,
  });
});
