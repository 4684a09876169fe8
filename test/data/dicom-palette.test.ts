import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Image, readDicom } from '../../src/index.js';
import { encodeRle } from '../support/compressed-frames.js';
import { dicomFile, syntaxes, type Values } from '../support/dicom-files.js';

t.test('palette colour of 8 and of 16 bits', async (t) => {
  const image: Values = {
    photometric: 'PALETTE COLOR',
    bitsAllocated: 8,
    bitsStored: 8,
    highBit: 7,
    pixelData: Buffer.from([0, 4, 5, 6, 7, 8, 255, 5]),
  };
  // Smaller indices take the first entry, larger ones the last.
  const entries = [0, 0, 1, 2, 2, 2, 2, 1];
  const colours = [
    [0, 51, 255],
    [255, 102, 0],
    [153, 204, 51],
  ];
  const expected = entries.flatMap((entry) => colours.map((levels) => levels[entry] as number));
  const unit = expected.map((level) => level / 255);
  const levelsOf = (channel: number) => colours[channel] as number[];
  const bytes = (channel: number) => Buffer.from([...levelsOf(channel), 0]);
  const words = (channel: number) => levelsOf(channel).map((level) => level * 257);
  const of8: Values = {
    redDescriptor: [3, 4, 8],
    greenDescriptor: [3, 4, 8],
    blueDescriptor: [3, 4, 8],
    redPalette: bytes(0),
    greenPalette: bytes(1),
    bluePalette: bytes(2),
  };
  const of16: Values = {
    redDescriptor: [3, 4, 16],
    greenDescriptor: [3, 4, 16],
    blueDescriptor: [3, 4, 16],
    redPalette: words(0),
    greenPalette: words(1),
    bluePalette: words(2),
  };
  const mixed: Values = { ...of8, greenDescriptor: [3, 4, 16], greenPalette: words(1) };
  const indices = [...(image.pixelData as Buffer)];
  const swapped = (channel: number) => bytes(channel).swap16();
  const files: Record<string, Buffer> = {
    '8 bits': dicomFile({ ...image, ...of8 }),
    '16 bits': dicomFile({ ...image, ...of16 }),
    'each its own': dicomFile({ ...image, ...mixed }),
    'bytes in words': dicomFile({ ...image, ...of8, redPalette: levelsOf(0) }),
    implicit: dicomFile({ ...image, ...of8 }, { syntax: syntaxes.implicit }),
    'big endian': dicomFile(
      {
        ...image,
        ...of8,
        redPalette: swapped(0),
        greenPalette: swapped(1),
        bluePalette: swapped(2),
        pixelData: Buffer.from(image.pixelData as Buffer).swap16(),
      },
      { syntax: syntaxes.bigEndian },
    ),
    'indices of 16 bits': dicomFile({ ...of16, photometric: 'PALETTE COLOR', pixelData: indices }),
    RLE: dicomFile(
      { ...image, ...of8 },
      {
        syntax: syntaxes.rle,
        fragments: [encodeRle({ width: 4, height: 2, bits: 8, samples: indices })],
      },
    ),
  };
  for (const [name, file] of Object.entries(files)) {
    const shown = await readDicom(file);
    t.match(shown, { channels: 3, photometric: 'PALETTE COLOR', window: undefined }, name);
    t.same(shown.pixels, Float32Array.from(unit));
    const raw = await readDicom(file, { values: 'stored' });
    t.equal(raw.channels, 1, name);
    t.same(Array.from(raw.pixels), indices, `${name}: indices as stored`);
  }
  const path = join(t.testdir(), 'colour.dcm');
  writeFileSync(path, files['8 bits'] as Buffer);
  const picture = await Image.read(path);
  t.match(picture, { channels: 3, bitDepth: 16 });
  t.same(
    Array.from(picture.data),
    expected.map((level) => level * 257),
  );

  const signed = dicomFile({
    photometric: 'PALETTE COLOR',
    signed: 1,
    signedRedDescriptor: [3, -1, 8],
    signedGreenDescriptor: [3, -1, 8],
    signedBlueDescriptor: [3, -1, 8],
    redPalette: bytes(0),
    greenPalette: bytes(1),
    bluePalette: bytes(2),
    pixelData: [0xfff, 0, 1, 0x800, 5, 0, 0, 0], // −1, 0, 1, −2048 …
  });
  const red = Array.from((await readDicom(signed)).pixels).filter((_, i) => i % 3 === 0);
  t.same(
    red,
    [0, 51, 255, 0, 255, 51, 51, 51].map((level) => Math.fround(level / 255)),
  );
});

t.test('palettes that are missing, short or of no kind', async (t) => {
  const of8: Values = {
    photometric: 'PALETTE COLOR',
    redDescriptor: [4, 0, 8],
    greenDescriptor: [4, 0, 8],
    blueDescriptor: [4, 0, 8],
    redPalette: Buffer.alloc(4),
    greenPalette: Buffer.alloc(4),
    bluePalette: Buffer.alloc(4),
  };
  const { blueDescriptor: _, ...without } = of8;
  const { bluePalette: __, ...empty } = of8;
  const cases: [Values, RegExp][] = [
    [without, /palette .* is missing/],
    [empty, /0 entries of 8 bits; expected 4/],
    [{ ...of8, greenDescriptor: [300, 0, 8] }, /4 entries of 8 bits; expected 300/],
    [{ ...of8, redDescriptor: [2, 0, 12] }, /12 bits; expected 8 or 16/],
    [{ ...of8, redDescriptor: [4, 0, 99] }, /99 bits/],
    [{ ...of8, redDescriptor: [] }, /lookup table/],
  ];
  for (const [values, message] of cases) {
    await t.rejects(readDicom(dicomFile(values)), { code: 'ERR_DICOM_DECODE', message });
  }
  await t.rejects(readDicom(dicomFile({ ...of8, samples: 3 })), { code: 'ERR_DICOM_UNSUPPORTED' });
});
