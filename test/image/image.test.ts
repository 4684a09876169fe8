import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp, { type Sharp } from 'sharp';
import t from 'tap';
import { contactSheet } from '../../src/image/contact-sheet.js';
import { fitImage } from '../../src/image/fit-images.js';
import { Image, readProvenance } from '../../src/image/image.js';

const grey8 = new Image({
  width: 5,
  height: 3,
  channels: 1,
  data: Uint8Array.from({ length: 15 }, (_, i) => i * 17),
});
const colour8 = new Image({
  width: 4,
  height: 2,
  channels: 3,
  data: Uint8Array.from({ length: 24 }, (_, i) => i * 10),
});
const opacity8 = new Image({
  width: 2,
  height: 2,
  channels: 4,
  data: Uint8Array.from([1, 2, 3, 255, 4, 5, 6, 128, 7, 8, 9, 255, 10, 11, 12, 255]),
});
const grey16 = new Image({
  width: 64,
  height: 64,
  channels: 1,
  data: Uint16Array.from({ length: 4096 }, (_, i) => (i * 16007) % 65536),
});
const colour16 = new Image({
  width: 8,
  height: 8,
  channels: 3,
  data: Uint16Array.from({ length: 192 }, (_, i) => i * 341),
});

t.test('a PNG gives every sample back, in every kind', async (t) => {
  const path = join(t.testdir(), 'image.png');
  for (const image of [grey8, colour8, opacity8, grey16, colour16]) {
    await image.save(path);
    const read = await Image.read(path);
    t.match(read, { width: image.width, height: image.height, channels: image.channels });
    t.strictSame(read.data, image.data);
    t.equal(read.bitDepth, image.bitDepth);
    t.equal(read.provenance, undefined);
  }
});

t.test('paths, file: URLs and bytes are read alike', async (t) => {
  const path = join(t.testdir(), 'image.png');
  await grey8.save(path);
  for (const source of [path, pathToFileURL(path), readFileSync(path)]) {
    t.strictSame((await Image.read(source)).data, grey8.data);
  }
});

t.test('JPEG keeps grey grey, WebP knows only colour', async (t) => {
  const flat = new Image({
    width: 16,
    height: 16,
    channels: 1,
    data: new Uint8Array(256).fill(90),
  });
  const jpeg = await Image.read(await flat.toBuffer('jpeg'));
  t.equal(jpeg.channels, 1);
  t.ok(jpeg.data.every((sample) => Math.abs(sample - 90) <= 1));
  t.equal((await Image.read(await flat.toBuffer('webp'))).channels, 3);
  const small = (await flat.toBuffer('jpeg', { quality: 10 })).length;
  t.ok(small <= (await flat.toBuffer('jpeg', { quality: 100 })).length);
});

t.test('pixels are H×W×C in [0, 1] and make the same image again', async (t) => {
  t.equal(grey8.pixels.length, 15);
  t.equal(grey8.pixels[14], Math.fround((14 * 17) / 255));
  for (const image of [grey8, colour8, grey16]) {
    const { width, height, channels, bitDepth } = image;
    const again = Image.fromPixels(image.pixels, { width, height, channels, bitDepth });
    t.strictSame(again.data, image.data);
  }
});

t.test('an orientation and a colour profile in the file change no sample', async (t) => {
  const { width, height, channels, data } = colour8;
  const file = await sharp(data, { raw: { width, height, channels } })
    .withMetadata({ orientation: 6 })
    .withIccProfile('p3', { attach: true })
    .png()
    .toBuffer();
  const stored = await sharp(file, { ignoreIcc: true }).raw().toBuffer();
  const read = await Image.read(file);
  t.match(read, { width, height });
  t.strictSame(read.data, new Uint8Array(stored));
});

t.test('grey with opacity, palettes and CMYK are read as colour', async (t) => {
  const raw = { width: 2, height: 2, channels: 2 } as const;
  const greyOpacity = await sharp(Uint8Array.from([10, 255, 20, 0, 30, 255, 40, 9]), { raw })
    .toColourspace('b-w')
    .png()
    .toBuffer();
  t.strictSame(
    (await Image.read(greyOpacity)).data,
    Uint8Array.from([10, 10, 10, 255, 20, 20, 20, 0, 30, 30, 30, 255, 40, 40, 40, 9]),
  );
  const palette = await toRaw(colour8).png({ palette: true }).toBuffer();
  t.equal((await Image.read(palette)).channels, 3);
  const cmyk = await toRaw(colour8).toColourspace('cmyk').jpeg().toBuffer();
  t.equal((await Image.read(cmyk)).channels, 3);
});

t.test('saving replaces a file at once and leaves nothing behind when it fails', async (t) => {
  const folder = t.testdir({ 'image.png': 'old', taken: { 'inside.png': '' } });
  await grey8.save(join(folder, 'image.png'));
  t.strictSame((await Image.read(join(folder, 'image.png'))).data, grey8.data);
  const missing = join(folder, 'no', 'image.png');
  await t.rejects(grey8.save(missing), {
    code: 'ERR_WRITE',
    path: missing,
    message: /image\.png: the folder .*no is missing\. Make it first/,
    cause: { code: 'ENOENT' },
  });
  await t.rejects(grey8.save(join(folder, 'image.png', 'b.png')), { code: 'ERR_WRITE' });
  writeFileSync(join(folder, 'IMAGE.JPG'), '');
  await grey8.save(join(folder, 'IMAGE.JPG'));
  t.ok(statSync(join(folder, 'IMAGE.JPG')).size > 100);
  await t.rejects(grey8.save(join(folder, 'taken', '..', 'taken.png', 'x.png')));
  t.strictSame(readdirSync(folder).sort(), ['IMAGE.JPG', 'image.png', 'taken']);
});

t.test('formats that cannot hold the image are refused', async (t) => {
  const path = join(t.testdir(), 'image');
  const wrong: (() => Promise<unknown>)[] = [
    () => grey8.save(`${path}.bmp`),
    () => grey8.save(path),
    () => grey16.save(`${path}.jpg`),
    () => grey16.toBuffer('webp'),
    () => opacity8.toBuffer('jpeg'),
    () => grey8.toBuffer('gif' as 'png'),
    () => grey8.toBuffer('jpeg', { quality: 0 }),
    () => grey8.toBuffer('jpeg', { qualtiy: 90 } as object),
  ];
  for (const call of wrong) await t.rejects(call(), { code: 'ERR_INVALID_ARG' });
});

t.test('what is no image that a model takes is named', async (t) => {
  const folder = t.testdir({ 'a.png': 'not an image' });
  const png = await grey16.toBuffer('png');
  const float = await sharp(new Float32Array(12), { raw: { width: 2, height: 2, channels: 3 } })
    .toColourspace('scrgb')
    .tiff({ compression: 'none' })
    .toBuffer();
  const frames = [await colour8.toBuffer('png'), await opacity8.toBuffer('png')];
  const animation = await sharp(frames, { join: { animated: true } })
    .gif()
    .toBuffer();
  const wrong: [string | Uint8Array, RegExp][] = [
    [join(folder, 'a.png'), /a\.png: .*unsupported image format/],
    [join(folder, 'absent.png'), /absent\.png: .*missing/],
    [Buffer.from('junk'), /^image: /],
    [png.subarray(0, png.length / 2), /^image: /],
    [animation, /has 2 pages; expected one/],
    [float, /has samples of kind 'float'; expected 8 or 16 bits/],
  ];
  for (const [source, message] of wrong) {
    await t.rejects(Image.read(source), { code: 'ERR_IMAGE_DECODE', message });
  }
  await t.rejects(Image.read(7 as never), { code: 'ERR_INVALID_ARG' });
});

t.test('an aborted signal rejects with its reason', async (t) => {
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await t.rejects(Image.read(await grey8.toBuffer('png'), { signal }), reason);
  await t.rejects(grey8.toBuffer('png', { signal }), reason);
  await t.rejects(readProvenance(await grey8.toBuffer('png'), { signal }), reason);
  await t.rejects(fitImage(grey8, { width: 1, height: 1, fit: 'stretch', signal }), reason);
  const sheet = { columns: ['a'], rows: [{ label: 'a', images: [grey8] }], signal };
  await t.rejects(contactSheet(sheet), reason);
});

t.test('data that does not fit the size is refused', async (t) => {
  const good = { width: 2, height: 2, channels: 1, data: new Uint8Array(4) } as const;
  t.ok(new Image(good));
  const wrong = [
    { width: 0 },
    { height: 1.5 },
    { channels: 2 },
    { data: new Uint8Array(5) },
    { data: new Float32Array(4) },
    { provenance: { synthetic: true } },
  ];
  for (const change of wrong) {
    t.throws(() => new Image({ ...good, ...change } as never), { code: 'ERR_INVALID_ARG' });
  }
});

function toRaw({ width, height, channels, data }: Image): Sharp {
  return sharp(data, { raw: { width, height, channels } });
}
