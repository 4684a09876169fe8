import { copyFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { imagesToTensorData } from '../../../src/image/pixel-layout.js';
import {
  fitImage,
  Image,
  latentMask,
  openTrainingData,
  Tensor,
  type TrainingDataOptions,
  type TrainingSample,
} from '../../../src/index.js';
import { photograph, picture, plane, rectangle, writeMetadata } from './training-pictures.js';

const first = { step: 0, sampleNumbers: [0] };

async function pixelsOf(
  sample: Partial<TrainingSample>,
  options: TrainingDataOptions,
  where = first,
) {
  using data = await openTrainingData([{ image: picture(8, 8), text: '', ...sample }], options);
  using batch = await data.batch([0], where);
  return batch.pixels.to({ dtype: 'float32' });
}

const kinds = [
  [1, 8],
  [1, 16],
  [3, 8],
  [3, 16],
] as const;
const fits = [
  ['letterbox', 'letterbox'],
  ['center-crop', 'centre-crop'],
] as const;

for (const [channels, bitDepth] of kinds) {
  for (const [resize, fit] of fits) {
    const name = `${channels} channels, ${bitDepth} bits, ${resize}`;
    t.test(`pixels are those of fitImage, bit for bit: ${name}`, async (t) => {
      const image = picture(40, 26, channels, bitDepth);
      const size = { width: 16, height: 24 };
      const fitted = await fitImage(image, { ...size, fit });
      const expected = imagesToTensorData([fitted]).data;
      for (const source of [image, await image.toBuffer('png')]) {
        const pixels = await pixelsOf({ image: source }, { resolution: size, resize });
        t.same(pixels.shape, [1, 3, 24, 16]);
        t.same(pixels.data(), expected);
      }
    });
  }
}

t.test('16 bits keep steps that 8 bits do not have', async (t) => {
  const data = Uint16Array.from({ length: 64 }, (_, i) => 30000 + i);
  const image = new Image({ width: 8, height: 8, channels: 1, data });
  const pixels = await pixelsOf({ image: await image.toBuffer('png') }, { resolution: 8 });
  t.equal(new Set(plane(pixels).flat()).size, 64);
});

t.test('a letterbox has black bars, and all of the image', async (t) => {
  const white = new Image({ width: 8, height: 4, channels: 1, data: new Uint8Array(32).fill(255) });
  const pixels = await pixelsOf({ image: white }, { resolution: 8 });
  const rows = plane(pixels).map((row) => new Set(row));
  t.same(
    rows,
    [-1, -1, 1, 1, 1, 1, -1, -1].map((value) => new Set([value])),
  );
});

t.test('what EXIF says of the orientation is applied unless it is ignored', async (t) => {
  const image = picture(12, 8);
  const turned = new Image({
    width: 8,
    height: 12,
    channels: 1,
    // Orientation 6: the first row is the right side.
    data: Uint8Array.from(
      { length: 96 },
      (_, i) => image.data[(7 - (i % 8)) * 12 + Math.floor(i / 8)] as number,
    ),
  });
  const file = await photograph(image, 6);
  for (const resize of ['letterbox', 'center-crop', 'random-crop'] as const) {
    const options = { resolution: 8, resize } as const;
    const asShown = await pixelsOf({ image: file }, options);
    const asStored = await pixelsOf({ image: file }, { ...options, orientation: 'ignore' });
    t.ok(distance(asShown, await pixelsOf({ image: turned }, options)) < 0.03, resize);
    t.ok(distance(asStored, await pixelsOf({ image }, options)) < 0.03, `${resize}, ignored`);
    t.ok(distance(asShown, asStored) > 0.1);
  }
});

function distance(a: Tensor, b: Tensor): number {
  const [x, y] = [a.data() as Float32Array, b.data() as Float32Array];
  return Math.max(...x.map((value, i) => Math.abs(value - (y[i] as number))));
}

t.test('a random crop is a window of the image', async (t) => {
  const image = picture(20, 8);
  const whole = plane(await pixelsOf({ image }, { resolution: { width: 20, height: 8 } }));
  const starts = new Set<number>();
  for (let step = 0; step < 60; ++step) {
    const options = { resolution: 8, resize: 'random-crop' } as const;
    const crop = plane(await pixelsOf({ image }, options, { step, sampleNumbers: [step] }));
    const start = whole[0]?.indexOf(crop[0]?.[0] as number) as number;
    starts.add(start);
    t.same(
      crop,
      whole.map((row) => row.slice(start, start + 8)),
    );
  }
  t.ok(starts.has(0) && starts.has(12), 'both ends come up');
  t.ok(starts.size > 9, `${starts.size} of 13 windows in 60 steps`);
});

t.test('flips mirror about half of the samples, and none by default', async (t) => {
  const straight = plane(await pixelsOf({}, { resolution: 8 }));
  const mirrored = straight.map((row) => [...row].reverse());
  let count = 0;
  for (let n = 0; n < 60; ++n) {
    const where = { step: 3, sampleNumbers: [n] };
    const pixels = plane(await pixelsOf({}, { resolution: 8, horizontalFlip: true }, where));
    const isMirrored = pixels[0]?.[0] === mirrored[0]?.[0];
    t.same(pixels, isMirrored ? mirrored : straight);
    if (isMirrored) count++;
    t.same(plane(await pixelsOf({}, { resolution: 8 }, where)), straight);
  }
  t.ok(count > 15 && count < 45, `${count} of 60`);
});

t.test('pixels follow from the seed, the step and the number, whatever came before', async () => {
  const samples = Array.from({ length: 3 }, (_, i) => ({ image: picture(30 + i, 16), text: '' }));
  const options = { resolution: 8, resize: 'random-crop', horizontalFlip: true } as const;
  using whole = await openTrainingData(samples, { ...options, seed: 5 });
  const places = fc.array(fc.tuple(fc.nat(2), fc.nat(1e6)), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(places, fc.nat(1e5), async (rows, step) => {
      using resumed = await openTrainingData(samples, { ...options, seed: 5 });
      using together = await whole.batch(
        rows.map(([index]) => index),
        { step, sampleNumbers: rows.map(([, n]) => n) },
      );
      for (const [row, [index, n]] of rows.entries()) {
        using alone = await resumed.batch([index], { step, sampleNumbers: [n] });
        const [a, b] = [plane(together.pixels, row), plane(alone.pixels)];
        if (JSON.stringify(a) !== JSON.stringify(b)) return false;
      }
      return true;
    }),
    { numRuns: 15 },
  );
});

t.test('a batch says what its samples are', async (t) => {
  const samples = [
    { image: picture(8, 8), text: 'one', id: 'a', weight: 2 },
    { image: picture(8, 8), text: 'two' },
  ];
  async function* source() {
    yield* samples;
  }
  using data = await openTrainingData(source(), { resolution: 8 });
  t.same(
    [data.ids, data.texts, data.weights],
    [
      ['a', '#1'],
      ['one', 'two'],
      [2, 1],
    ],
  );
  using batch = await data.batch([1, 0, 1], { step: 4, sampleNumbers: [7, 8, 9] });
  t.same(batch.texts, ['two', 'one', 'two']);
  t.same(batch.ids, ['#1', 'a', '#1']);
  t.same(batch.weights, [1, 2, 1]);
  t.same([batch.step, batch.sampleNumbers, batch.mask], [4, [7, 8, 9], undefined]);
});

t.test('masks go where the pixels go', async (t) => {
  const mask = rectangle([16, 8], [0, 0, 4, 8]);
  const samples = [
    { image: picture(16, 8), text: '', mask },
    { image: picture(16, 8), text: '' },
  ];
  const where = { step: 0, sampleNumbers: [0, 1] };
  using boxed = await openTrainingData(samples, { resolution: 8 });
  using batch = await boxed.batch([0, 1], where);
  t.same(batch.mask?.shape, [2, 1, 8, 8]);
  const boxedMask = plane(batch.mask as Tensor);
  t.same(boxedMask[0], [0, 0, 0, 0, 0, 0, 0, 0], 'bars do not count');
  t.equal(boxedMask[4]?.[0], 1);
  t.equal(boxedMask[4]?.[6], 0);
  t.same(new Set(plane(batch.mask as Tensor, 1).flat()), new Set([1]), 'no mask: all counts');
  t.same((await boxed.masks([0, 1]))?.data(), batch.mask?.data());
  using small = await latentMask(batch.mask as Tensor, 4);
  t.same(small.shape, [2, 1, 2, 2]);
  const corner = boxedMask.slice(0, 4).flatMap((row) => row.slice(0, 4));
  t.ok(Math.abs((small.data()[0] as number) - corner.reduce((a, b) => a + b) / 16) < 1e-6);

  const cropping = { resolution: 8, resize: 'random-crop', horizontalFlip: true } as const;
  const own = samples.map((sample) => ({ ...sample, image: rectangle([16, 8], [0, 0, 4, 8]) }));
  using cropped = await openTrainingData(own, cropping);
  const weights = new Set<number>();
  for (let step = 0; step < 40; ++step) {
    using crop = await cropped.batch([0], { step, sampleNumbers: [step] });
    weights.add(crop.weights[0] as number);
    const isWhite = plane(crop.pixels).map((row) => row.map((value) => (value + 1) / 2));
    const expected = crop.weights[0] === 0 ? isWhite.map((row) => row.map(() => 1)) : isWhite;
    t.same(plane(crop.mask as Tensor), expected);
  }
  t.same(weights, new Set([0, 1]), 'a crop beside the mask counts for nothing');
  await t.rejects(cropped.masks([0]), { code: 'ERR_INVALID_ARG' });
});

t.test('masks that do not fit', async (t) => {
  const image = picture(16, 8);
  const cases = [
    [rectangle([8, 16], [0, 0, 8, 8]), /16×8 pixels, found 8×16/],
    [rectangle([16, 8], [0, 0, 0, 0]), /all of it black/],
  ] as const;
  for (const [mask, message] of cases) {
    using data = await openTrainingData([{ image, text: '', id: 'x', mask }], { resolution: 8 });
    await t.rejects(data.batch([0], first), { code: 'ERR_DATASET', id: 'x', message });
  }
  await t.rejects(latentMask(Tensor.ones([1, 1, 6, 8]), 4), { code: 'ERR_SHAPE' });
});

t.test('the digest is that of what is trained on', async (t) => {
  const folder = t.testdir({ copy: {} });
  const image = await picture(8, 8).toBuffer('png');
  const other = await picture(9, 8).toBuffer('png');
  const row = { file_name: 'a.png', text: 'one' };
  const digest = async (place = folder, options: Partial<TrainingDataOptions> = {}) =>
    (await openTrainingData(place, { resolution: 8, ...options })).digest;
  writeFileSync(join(folder, 'a.png'), image);
  writeMetadata(folder, [row]);
  const own = await digest();
  const ownStat = await digest(folder, { fingerprint: 'stat' });
  t.match(own, /^sha256:[0-9a-f]{64}$/);
  t.equal(
    await digest(folder, { resolution: 16, horizontalFlip: true }),
    own,
    'options are not data',
  );
  for (const name of ['a.png', 'metadata.jsonl']) {
    copyFileSync(join(folder, name), join(folder, 'copy', name));
  }
  t.equal(await digest(join(folder, 'copy')), own, 'a copy is the same data');
  utimesSync(join(folder, 'a.png'), 1, 1);
  t.equal(await digest(), own);
  t.not(await digest(folder, { fingerprint: 'stat' }), ownStat);
  writeMetadata(folder, [{ ...row, text: 'two' }]);
  const digests = new Set([own, await digest()]);
  writeMetadata(folder, [{ ...row, weight: 2 }]);
  digests.add(await digest());
  writeMetadata(folder, [{ ...row, mask: 'a.png' }]);
  digests.add(await digest());
  writeMetadata(folder, [row]);
  writeFileSync(join(folder, 'a.png'), other);
  digests.add(await digest());
  t.equal(digests.size, 5, 'a text, a weight, a mask and an image all count');
});
