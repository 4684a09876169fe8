import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import {
  cosineSimilarity,
  FeatureExtractor,
  Image,
  loadTensors,
  metrics,
  saveTensors,
  Tensor,
} from '../../src/index.js';
import { packageRoot } from '../../src/native/package-root.js';
import { committedCase, tensor } from '../support/golden.js';

const checker = join(packageRoot, 'test/golden/safety-checker/model');

t.test('CLIP’s image half sees what the safety checker sees', async (t) => {
  const golden = await committedCase('safety-checker/scores');
  const { tensors } = await loadTensors(join(checker, 'model.safetensors'));
  const folder = t.testdir();
  await cp(join(checker, 'config.json'), join(folder, 'config.json'));
  const kept = Object.entries(tensors)
    .filter(([name]) => /^vis(ion_model|ual_pro)/.test(name))
    .map(([name, each]) => [name.replace(/^vision_model\.(?=vision_model)/, ''), each] as const);
  const whole = { ...Object.fromEntries(kept), logit_scale: Tensor.ones([]) };
  await saveTensors(join(folder, 'model.safetensors'), whole);
  using extractor = await FeatureExtractor.clip(folder);
  t.match(extractor, { network: 'clip', classes: 0 });
  const image = (bytes: Tensor, i: number, [height = 0, width = 0]: readonly number[]) => {
    const size = height * width * 3;
    const data = (bytes.data() as Uint8Array).slice(i * size, (i + 1) * size);
    return new Image({ width, height, channels: 3, data });
  };
  const [fitting, wide] = [tensor(golden, 'fitting'), tensor(golden, 'wide')];
  const images = [0, 1, 2].map((i) => image(fitting, i, fitting.shape.slice(1)));
  const batch = await extractor.forward(images);
  t.equal(batch.source, 'clip features model.safetensors');
  t.same(
    [batch.logits.shape, batch.probabilities.shape],
    [
      [3, 0],
      [3, 0],
    ],
  );
  const other = await extractor.forward(image(wide, 0, wide.shape));
  const features = await Tensor.cat([batch.features, other.features]);
  const numbers = async (name: string) => {
    const cosines = await cosineSimilarity(features, tensor({ tensors, metadata: {} }, name));
    const weights = tensors[`${name}_weights`]?.data() ?? [];
    const width = weights.length;
    return Array.from(cosines.data(), Number).map(
      (cosine, i) => cosine - Number(weights[i % width]),
    );
  };
  const special = await numbers('special_care_embeds');
  const scores = await numbers('concept_embeds');
  const expected = Array.from(tensor(golden, 'scores').data(), Number);
  t.equal(expected.length, 68);
  const [concepts, cared] = [expected.length / 4, special.length / 4];
  for (const [i, score] of expected.entries()) {
    const row = Math.floor(i / concepts);
    const care = special.slice(row * cared, (row + 1) * cared).some((each) => each > 0.0005);
    const found = (scores[i] ?? Number.NaN) + (care ? 0.01 : 0);
    t.ok(Math.abs(found - score) < 0.00051, `${i}: ${found}, ${score}`);
  }
});

t.test('the score is 100 times the cosine of each pair, at least 0', async (t) => {
  const images = Tensor.from([1, 0, 0, 2, 1, 1, 3, 0], { shape: [4, 2] });
  const texts = Tensor.from([5, 0, 1, 1, -1, -1, 0, 1], { shape: [4, 2] });
  const found = await metrics.clipScore(images, texts);
  const expected = [100, 100 * Math.SQRT1_2, 0, 0];
  for (const [i, score] of found.scores.entries()) {
    t.ok(Math.abs(score - (expected[i] ?? 0)) < 1e-4, `${i}: ${score}`);
  }
  t.ok(Math.abs(found.value - (100 + 100 * Math.SQRT1_2) / 4) < 1e-4);
  const many = await Tensor.randn([600, 8]);
  const same = await metrics.clipScore(many, many);
  t.equal(same.scores.length, 600);
  t.ok(
    same.scores.every((score) => Math.abs(score - 100) < 1e-3),
    'block by block',
  );
  await t.rejects(metrics.clipScore(images, many), { code: 'ERR_SHAPE' });
  await t.rejects(metrics.clipScore(images, 'texts' as never), { code: 'ERR_INVALID_ARG' });
});

t.test('diversity is the mean MS-SSIM of all pairs', async (t) => {
  const noise = await (await Tensor.randn([3, 1, 176, 176], { seed: 2 })).clamp(-2, 2);
  const images = await (await noise.div(4)).add(0.5);
  const row = (i: number) => images.slice(0, i, i + 1);
  const expected: number[] = [];
  for (const [i, j] of [
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const) {
    const pair = await metrics.msSsim(await row(i), await row(j), { border: 'cropped' });
    expected.push(...pair);
  }
  const found = await metrics.diversity(images);
  t.same(found.pairs, expected);
  t.equal(found.value, expected.reduce((a, b) => a + b) / 3);
  const same = await metrics.diversity(await Tensor.cat([await row(0), await row(0)]));
  t.ok(Math.abs(same.value - 1) < 1e-9, 'equal images');
  await t.rejects(metrics.diversity(await row(0)), { code: 'ERR_SHAPE' });
  await t.rejects(metrics.diversity(images, { bordr: 1 } as never), { code: 'ERR_INVALID_ARG' });
  const signal = AbortSignal.abort(new Error('enough'));
  await t.rejects(metrics.diversity(images, { signal }), { message: 'enough' });
});
