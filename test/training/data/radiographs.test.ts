import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import t from 'tap';
import { imagesToTensorData } from '../../../src/image/pixel-layout.js';
import {
  fitImage,
  Image,
  openTrainingData,
  SampleOrder,
  stepSamples,
  type TrainingData,
} from '../../../src/index.js';
import { sharedData } from '../../support/golden.js';
import { picture, plane } from './training-pictures.js';

const folder = join(sharedData, 'cxr');
const skip = existsSync(folder) ? false : 'the shared radiographs are not here';

t.test(
  '2,095 radiographs open as they are, and a step decodes as one image does',
  { skip },
  async (t) => {
    using data = await openTrainingData(folder, { resolution: 128, fingerprint: 'stat' });
    t.equal(data.length, 2095);
    t.ok(data.texts.every((text) => text.length > 10));
    const order = new SampleOrder(1, data.length);
    const [sampleNumbers = []] = stepSamples({ step: 300, batchSize: 8 }); // in the second epoch
    const indices = sampleNumbers.map((n) => order.indexOf(n));
    using batch = await data.batch(indices, { step: 300, sampleNumbers });
    t.same(batch.pixels.shape, [8, 3, 128, 128]);
    for (const [n, id] of batch.ids.entries()) {
      const size = { width: 128, height: 128, fit: 'letterbox' } as const;
      const image = await fitImage(await Image.read(join(folder, id)), size);
      const { data: expected } = imagesToTensorData([image]);
      t.same(plane(batch.pixels, n).flat(), [...expected.subarray(0, 128 * 128)], id);
    }
  },
);

t.test('timers go on while images of 512 pixels are decoded', async (t) => {
  const image = await picture(1200, 1000).toBuffer('jpeg');
  const samples = Array.from({ length: 8 }, (_, i) => ({ image, text: `${i}` }));
  using data = await openTrainingData(samples, { resolution: 512 });
  // Neighbours on a shared machine hold timers up too: the best of three runs says what the data does.
  const shares = [await lateTicks(data), await lateTicks(data), await lateTicks(data)];
  t.ok(Math.min(...shares) < 0.1, `shares of ticks over 5 ms late: ${shares}`);
});

/** The share of a 2 ms timer's ticks that were more than 5 ms late while 80 images were decoded. */
async function lateTicks(data: TrainingData): Promise<number> {
  const indices = Array.from({ length: data.length }, (_, i) => i);
  const requests = Array.from({ length: 10 }, (_, step) => {
    return { indices, step, sampleNumbers: indices };
  });
  const late: number[] = [];
  let expected = performance.now() + 2;
  const timer = setInterval(() => {
    const now = performance.now();
    late.push(now - expected);
    expected = now + 2;
  }, 2);
  for await (using _ of data.prefetch(requests));
  clearInterval(timer);
  return late.filter((ms) => ms > 5).length / late.length;
}
