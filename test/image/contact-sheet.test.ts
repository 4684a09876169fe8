import t from 'tap';
import { contactSheet, differenceImage } from '../../src/image/contact-sheet.js';
import { Image } from '../../src/image/image.js';

const provenance = { synthetic: true, software: 'latentray 1.2.3', modelDigest: 'x' } as const;
const flat = (fill: number, init: object = {}) =>
  new Image({ width: 32, height: 32, channels: 1, data: new Uint8Array(1024).fill(fill), ...init });

t.test('the difference of two images is absolute, amplified and cut at white', async (t) => {
  const colour = (r: number, g: number, b: number) =>
    new Image({ width: 1, height: 1, channels: 3, data: Uint8Array.from([r, g, b]) });
  t.strictSame(differenceImage(flat(100), flat(90), 4).data, new Uint8Array(1024).fill(40));
  t.strictSame(differenceImage(flat(0), flat(255), 4).data, new Uint8Array(1024).fill(255));
  t.strictSame(differenceImage(colour(0, 0, 0), colour(30, 0, 60), 1).data, Uint8Array.from([30]));
  t.throws(() => differenceImage(flat(0), colour(0, 0, 0), 1), { code: 'ERR_INVALID_ARG' });
});

t.test('a sheet shows each image in its place, with text, on white', async (t) => {
  const deep = new Image({
    width: 32,
    height: 32,
    channels: 1,
    data: new Uint16Array(1024).fill(30000),
  });
  const sheet = await contactSheet({
    columns: ['original', 'reconstruction <&>'],
    rows: [
      { label: 'a.png', images: [flat(0), flat(60)] },
      { label: 'b.png', images: [deep, flat(200)] },
    ],
    cellSize: 64,
  });
  t.match(sheet, { width: 8 + 2 * 72, height: 30 + 2 * 94, channels: 3, provenance: undefined });
  const at = (x: number, y: number) => [
    ...sheet.data.subarray((y * sheet.width + x) * 3, (y * sheet.width + x) * 3 + 3),
  ];
  t.strictSame(at(2, 2), [255, 255, 255]);
  t.strictSame(at(40, 62), [0, 0, 0]);
  t.strictSame(at(112, 62), [60, 60, 60]);
  t.strictSame(at(40, 156), [117, 117, 117]);
  t.strictSame(at(112, 156), [200, 200, 200]);
});

t.test('a sheet with a synthetic image is synthetic', async (t) => {
  const rows = [{ label: '', images: [flat(0), flat(1, { provenance })] }];
  const sheet = await contactSheet({ columns: ['', ''], rows, cellSize: 16 });
  t.strictSame(sheet.provenance, provenance);
});

t.test('rows that do not fill the columns, none, and too many are errors', async (t) => {
  const row = { label: '', images: [flat(0)] };
  for (const options of [
    { columns: ['a', 'b'], rows: [row] },
    { columns: ['a'], rows: [] },
    { columns: ['a'], rows: [row], cellSize: 40000 },
  ]) {
    await t.rejects(contactSheet(options), { code: 'ERR_INVALID_ARG' });
  }
});
