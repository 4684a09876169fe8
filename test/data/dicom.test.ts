import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { type ReadDicomOptions, readDicom } from '../../src/index.js';
import { dicomFile, syntaxes, type Values } from '../support/dicom-files.js';
import { sharedData } from '../tokenizers/fixture-files.js';

const stored: ReadDicomOptions = { values: 'stored' };
const defaultPixels = [0, 1, 2, 3, 1000, 2047, 2048, 4095];

/** The pixels of a file of the tests' own. */
async function pixelsOf(values: Values, options?: ReadDicomOptions): Promise<number[]> {
  return Array.from((await readDicom(dicomFile(values), options)).pixels);
}

function closeTo(t: Test, found: readonly number[], expected: readonly number[]): void {
  t.equal(found.length, expected.length);
  for (const [i, value] of expected.entries()) {
    t.ok(Math.abs((found[i] as number) - value) < 1e-6, `${i}: ${found[i]}, expected ${value}`);
  }
}

interface Expected {
  readonly transfer_syntax: string;
  readonly modality: string;
  readonly body: string | null;
  readonly view: string | null;
  readonly photometric: string;
  readonly bits: string;
  readonly pixel_representation: number;
  readonly rows: number;
  readonly cols: number;
  readonly window: readonly [string, string];
  readonly patient_name: string;
  readonly patient_id: string;
  readonly sha256: string;
}

const folder = sharedData('dicom');
const files: Record<string, Expected> = folder
  ? JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'))
  : {};

t.test('published files', { skip: !folder && 'the shared DICOM files are not here' }, async (t) => {
  for (const [name, expected] of Object.entries(files)) {
    t.test(name, async (t) => {
      const path = join(folder as string, name);
      const image = await readDicom(path, stored);
      const bytes = new Uint8Array(Int32Array.from(image.pixels).buffer);
      t.equal(createHash('sha256').update(bytes).digest('hex'), expected.sha256);
      t.equal(image.transferSyntax, expected.transfer_syntax);
      t.equal(image.photometric, expected.photometric);
      t.equal(image.modality, expected.modality);
      t.equal(image.bodyPart ?? null, expected.body);
      t.equal(image.view ?? null, expected.view || null);
      t.equal(image.bitsStored, Number(expected.bits.split('/')[1]));
      t.equal(image.signed, expected.pixel_representation === 1);
      t.same([image.height, image.width], [expected.rows, expected.cols]);

      const shown = await readDicom(path, { identifiers: true });
      t.ok(shown.pixels.every((value) => value >= 0 && value <= 1));
      const [center, width] = expected.window.map(Number);
      t.match(
        shown.window,
        center
          ? { function: 'linear', center, width, source: 'file' }
          : { source: 'bits', low: 0, high: 255 },
      );
      t.equal(shown.identifiers?.patientName ?? 'None', expected.patient_name);
      t.equal(shown.identifiers?.patientId ?? 'None', expected.patient_id);
      t.notMatch(
        JSON.stringify({ ...image, pixels: [] }),
        new RegExp(`${expected.patient_name}|"identifiers"`),
      );
    });
  }
});

t.test('each way to write a data set', async (t) => {
  const values: Values = {
    windowCenter: '10',
    windowWidth: '3',
    privateSequence: [{ view: 'AP' }],
  };
  const cases: Record<string, Buffer> = {
    explicit: dicomFile(values),
    implicit: dicomFile(values, { syntax: syntaxes.implicit }),
    'big endian': dicomFile(values, { syntax: syntaxes.bigEndian }),
    deflated: dicomFile(values, { syntax: syntaxes.deflated }),
    'explicit without preamble': dicomFile(values, { preamble: false }),
    'implicit without preamble': dicomFile(values, { preamble: false, syntax: syntaxes.implicit }),
    'big endian without preamble': dicomFile(values, {
      preamble: false,
      syntax: syntaxes.bigEndian,
    }),
    'meta group without preamble': dicomFile(values).subarray(132),
    'open sequences': dicomFile(values, { openSequences: true }),
    'open sequences, implicit': dicomFile(values, {
      openSequences: true,
      syntax: syntaxes.implicit,
    }),
    gzip: gzipSync(dicomFile(values)),
  };
  for (const [name, file] of Object.entries(cases)) {
    const image = await readDicom(file, stored);
    t.same(Array.from(image.pixels), defaultPixels, name);
    t.equal(image.view, undefined, `${name}: what is inside a sequence is not the image's`);
  }
});

t.test('BitsStored, HighBit and PixelRepresentation', async (t) => {
  const pixelData = [0xf000, 0xf001, 0x0800, 0x0fff, 0x07ff, 0, 0, 0];
  t.same(await pixelsOf({ pixelData }, stored), [0, 1, 2048, 4095, 2047, 0, 0, 0]);
  t.same(await pixelsOf({ pixelData, signed: 1 }, stored), [0, 1, -2048, -1, 2047, 0, 0, 0]);
  const high: Values = { pixelData: pixelData.map((v) => v << 4), highBit: 15 };
  t.same(await pixelsOf(high, stored), [0, 1, 2048, 4095, 2047, 0, 0, 0]);
  const full: Values = { pixelData, bitsStored: 16, highBit: 15, signed: 1 };
  t.same(await pixelsOf(full, stored), [-4096, -4095, 2048, 4095, 2047, 0, 0, 0]);
  const bytes: Values = {
    bitsAllocated: 8,
    bitsStored: 8,
    highBit: 7,
    pixelData: Buffer.from([0, 1, 2, 3, 127, 128, 254, 255]),
  };
  t.same(await pixelsOf(bytes, stored), [0, 1, 2, 3, 127, 128, 254, 255]);
  t.same(await pixelsOf({ ...bytes, signed: 1 }, stored), [0, 1, 2, 3, 127, -128, -2, -1]);
});

t.test('without a window, black to white is what BitsStored holds', async (t) => {
  const image = await readDicom(dicomFile());
  t.same(image.window, { function: 'range', low: 0, high: 4095, source: 'bits' });
  closeTo(
    t,
    Array.from(image.pixels),
    defaultPixels.map((v) => v / 4095),
  );
  const signed = await readDicom(dicomFile({ signed: 1, slope: '-2', intercept: '5' }));
  t.same(signed.window, { function: 'range', low: -4089, high: 4101, source: 'bits' });
  const own = await readDicom(dicomFile({ pixelData: [5, 7, 9, 5, 5, 5, 5, 5] }), {
    window: 'pixels',
  });
  t.same(own.window, { function: 'range', low: 5, high: 9, source: 'pixels' });
  closeTo(t, Array.from(own.pixels), [0, 0.5, 1, 0, 0, 0, 0, 0]);
  const flat = await readDicom(dicomFile({ pixelData: Array(8).fill(7) }), { window: 'pixels' });
  t.ok(flat.pixels.every((value) => value === 0));
});

t.test('window functions', async (t) => {
  // PS3.3 C.11.2.1.2: c = 2048, w = 4096 maps 0 … 4095 onto the whole range.
  const wide: Values = { windowCenter: '2048', windowWidth: '4096' };
  closeTo(
    t,
    await pixelsOf(wide),
    defaultPixels.map((v) => v / 4095),
  );
  // … and c = 2048, w = 1 is a step at 2047.5.
  const step: Values = { windowCenter: '2048', windowWidth: '1' };
  t.same(await pixelsOf(step), [0, 0, 0, 0, 0, 0, 1, 1]);
  const narrow: Values = { windowCenter: '2', windowWidth: '4' };
  closeTo(t, await pixelsOf(narrow), [0, 1 / 3, 2 / 3, 1, 1, 1, 1, 1]);
  const exact: Values = { ...narrow, windowFunction: 'LINEAR_EXACT' };
  closeTo(t, await pixelsOf(exact), [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]);
  const sigmoid = await pixelsOf({ ...narrow, windowFunction: 'SIGMOID' });
  closeTo(
    t,
    sigmoid,
    defaultPixels.map((v) => 1 / (1 + Math.exp(2 - v))),
  );
  const several: Values = { windowCenter: '2\\1000', windowWidth: '4\\100' };
  t.match((await readDicom(dicomFile(several))).window, { center: 2, width: 4 });
  const choice = { center: 2, width: 4, function: 'linear-exact' } as const;
  const chosen = await readDicom(dicomFile(wide), { window: choice });
  t.same(chosen.window, { ...choice, source: 'options' });
  closeTo(t, Array.from(chosen.pixels), [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]);
  for (const windowWidth of ['0', '-5', '0.5', 'abc', '']) {
    const image = await readDicom(dicomFile({ windowCenter: '2', windowWidth }));
    t.equal(image.window?.source, 'bits', `a width of '${windowWidth}' makes no sense`);
  }
});

t.test('modality slope, intercept and table', async (t) => {
  const rescaled: Values = { slope: '2', intercept: '-1000.5' };
  const meant = defaultPixels.map((v) => v * 2 - 1000.5);
  t.same(await pixelsOf(rescaled, { values: 'modality' }), meant);
  const window = { center: -998.5, width: 4, function: 'linear-exact' } as const;
  closeTo(t, await pixelsOf(rescaled, { window }), [0, 0.5, 1, 1, 1, 1, 1, 1]);
  const modalityTables = [{ tableDescriptor: [3, 1, 16], tableData: [50, 40, 60000] }];
  const expected = [50, 50, 40, 60000, 60000, 60000, 60000, 60000];
  t.same(await pixelsOf({ ...rescaled, modalityTables }, { values: 'modality' }), expected);
  await t.rejects(readDicom(dicomFile({ slope: '0', intercept: '1' })), {
    code: 'ERR_DICOM_DECODE',
  });
});

t.test('VOI table, which goes before the window', async (t) => {
  const values: Values = { windowCenter: '2', windowWidth: '4' };
  const voiTables = [{ tableDescriptor: [4, 0, 10], tableData: [0, 1023, 511, 100] }];
  const image = await readDicom(dicomFile({ ...values, voiTables }));
  t.same(image.window, { function: 'table', source: 'file' });
  const expected = [0, 1, 511 / 1023, 100 / 1023];
  closeTo(t, Array.from(image.pixels), [...expected, ...Array(4).fill(100 / 1023)]);
  const bytes = [{ tableDescriptor: [4, 0, 8], tableData: Buffer.from([0, 255, 51, 102]) }];
  closeTo(t, await pixelsOf({ voiTables: bytes }), [0, 1, 0.2, 0.4, 0.4, 0.4, 0.4, 0.4]);
  const signed: Values = {
    signed: 1,
    pixelData: [-2, -1, 0, 1, 0, 0, 0, 0],
    voiTables: [{ signedTableDescriptor: [4, -2, 8], tableData: [0, 51, 102, 255] }],
  };
  const levels = [0, 0.2, 0.4, 1, 0.4, 0.4, 0.4, 0.4];
  closeTo(t, await pixelsOf(signed), levels);
  const implicit = await readDicom(dicomFile(signed, { syntax: syntaxes.implicit }));
  closeTo(t, Array.from(implicit.pixels), levels);
  const short = [{ tableDescriptor: [400, 0, 8], tableData: [0, 1] }];
  await t.rejects(readDicom(dicomFile({ voiTables: short })), { code: 'ERR_DICOM_DECODE' });
});

t.test('MONOCHROME1 is inverted for display alone', async (t) => {
  const values: Values = { photometric: 'MONOCHROME1', windowCenter: '2', windowWidth: '4' };
  closeTo(t, await pixelsOf(values), [1, 2 / 3, 1 / 3, 0, 0, 0, 0, 0]);
  t.same(await pixelsOf(values, stored), defaultPixels);
  t.same(await pixelsOf(values, { values: 'modality' }), defaultPixels);
});

t.test('padding is black, whatever the window and the inversion', async (t) => {
  const values: Values = {
    photometric: 'MONOCHROME1',
    padding: 0,
    windowCenter: '2',
    windowWidth: '4',
  };
  closeTo(t, await pixelsOf(values), [0, 2 / 3, 1 / 3, 0, 0, 0, 0, 0]);
  const range: Values = { padding: 4095, paddingLimit: 2047 };
  const image = await readDicom(dicomFile(range), { window: 'pixels' });
  t.match(image.window, { low: 0, high: 1000 });
  closeTo(t, Array.from(image.pixels), [0, 0.001, 0.002, 0.003, 1, 0, 0, 0]);
});

t.test('colour', async (t) => {
  const colour: Values = {
    samples: 3,
    photometric: 'RGB',
    rows: 1,
    columns: 2,
    bitsAllocated: 8,
    bitsStored: 8,
    highBit: 7,
    pixelData: Buffer.from([255, 0, 51, 102, 153, 204]),
  };
  const image = await readDicom(dicomFile(colour));
  t.match(image, { channels: 3, window: undefined });
  closeTo(t, Array.from(image.pixels), [1, 0, 0.2, 0.4, 0.6, 0.8]);
  const planes = Buffer.from([255, 102, 0, 153, 51, 204]);
  const planar = await pixelsOf({ ...colour, planar: 1, pixelData: planes }, stored);
  t.same(planar, [255, 0, 51, 102, 153, 204]);
  const ybr: Values = { ...colour, photometric: 'YBR_FULL' };
  const red = Buffer.from([76, 85, 255, 128, 128, 128]);
  t.same(await pixelsOf({ ...ybr, pixelData: red }, stored), [254, 0, 0, 128, 128, 128]);
});

t.test('what the file says of the image', async (t) => {
  const values: Values = {
    modality: 'MG',
    view: 'PA',
    bodyPart: 'CHEST',
    laterality: 'L',
    burnedIn: 'YES',
    spacing: '0.4\\0.2',
    patientName: 'Somebody^Nobody',
    patientId: '42',
  };
  const image = await readDicom(dicomFile(values));
  t.match(image, {
    modality: 'MG',
    view: 'PA',
    bodyPart: 'CHEST',
    laterality: 'L',
    burnedInAnnotation: true,
    pixelSpacing: [0.4, 0.2],
    pixelAspect: 2,
  });
  t.notMatch(JSON.stringify(image), /Somebody|"42"|identifiers/);
  const { identifiers } = await readDicom(dicomFile(values), { identifiers: true });
  t.same(identifiers, { patientName: 'Somebody^Nobody', patientId: '42' });

  const bare = await readDicom(
    dicomFile({ aspect: '3\\2', burnedIn: 'NO', seriesLaterality: 'R' }),
  );
  t.match(bare, { pixelAspect: 1.5, burnedInAnnotation: false, laterality: 'R' });
  t.same([bare.pixelSpacing, bare.view], [undefined, undefined]);
  const imager = await readDicom(dicomFile({ imagerSpacing: '0.1\\0.1', spacing: '0\\0' }));
  t.match(imager, { pixelSpacing: [0.1, 0.1], burnedInAnnotation: undefined });
  const coded = await readDicom(dicomFile({ viewCodes: [{ codeMeaning: 'postero-anterior' }] }));
  t.equal(coded.view, 'PA');
});

t.test('free text in the place of a code does not leave the file', async (t) => {
  const name = 'Mr. Somebody, 1 Street';
  const image = await readDicom(
    dicomFile({ view: name, bodyPart: name, laterality: name, viewCodes: [{ codeMeaning: name }] }),
  );
  t.notMatch(JSON.stringify(image), /Somebody/);
  t.equal(image.view, undefined);
});

t.test('frames', async (t) => {
  const values: Values = { frames: '2', rows: 1 };
  const second = await readDicom(dicomFile(values), { values: 'stored', frame: 1 });
  t.same([second.frames, ...second.pixels], [2, 1000, 2047, 2048, 4095]);
  await t.rejects(readDicom(dicomFile(values), { frame: 2 }), { code: 'ERR_DICOM_DECODE' });
});
