import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  FeatureExtractor,
  FeatureStatistics,
  Image,
  loadTensors,
  metrics,
  nativeMemory,
  saveTensors,
  Tensor,
} from '../../src/index.js';
import { goldenPath, relativeError, tensor, withoutGolden } from '../support/golden.js';
import { seededWeights } from '../support/seeded-network.js';

t.test('FID’s Inception v3 equals the reference', { skip: withoutGolden }, async (t) => {
  const golden = await loadTensors(goldenPath('networks/inception_fid.safetensors'));
  const path = await seededWeights(golden);
  using extractor = await FeatureExtractor.inception(path, { mode: 'torch-fidelity' });
  t.match(extractor, {
    network: 'inception',
    mode: 'torch-fidelity',
    classes: 1008,
    device: 'cpu',
    dtype: 'float32',
    labels: [],
    weightFiles: [path],
  });
  const pixels = await (await tensor(golden, 'pixels_uint8').to({ dtype: 'float32' })).div(255);
  for (const layer of ['64', '192', '768', '2048'] as const) {
    const found = await extractor.forward(pixels, { layer });
    const error = await relativeError(found.features, tensor(golden, `features.${layer}`));
    t.ok(error <= 1e-4, `${layer}: ${error}`);
    t.equal(found.source, `inception ${layer} torch-fidelity network.safetensors`);
  }
  const found = await extractor.forward(pixels);
  const logits = await relativeError(found.logits, tensor(golden, 'features.logits_unbiased'));
  t.ok(logits <= 1e-4, `logits: ${logits}`);
  const whole = await found.probabilities.sum([1]);
  t.ok((await relativeError(whole, Tensor.ones([2]))) < 1e-6, 'probabilities add up');

  const images = imagesOf(tensor(golden, 'pixels_uint8'));
  const same = await extractor.forward(images);
  t.ok((await relativeError(same.features, found.features)) < 1e-5, 'images are pixels');

  using clean = await FeatureExtractor.inception(path);
  t.equal(clean.mode, 'clean-fid');
  const other = await clean.forward(pixels);
  t.ok((await relativeError(other.features, found.features)) > 1e-3, 'another resize');
  const refused = { code: 'ERR_INVALID_ARG', message: /clean-fid.*torch-fidelity/ };
  await t.rejects(metrics.frechetDistance(other, found), refused);
  const distance = await metrics.frechetDistance(other, other);
  t.match(distance, { counts: [2, 2], singular: true, source: /clean-fid/ });
  await t.rejects(FeatureExtractor.densenet(path), { code: 'ERR_WEIGHTS_MISSING_KEY' });
});

t.test(
  'torchxrayvision’s DenseNet-121 equals the reference',
  { skip: withoutGolden },
  async (t) => {
    const golden = await loadTensors(goldenPath('networks/densenet121_xrv.safetensors'));
    const thresholds = Tensor.full([18], 0.2);
    const path = await seededWeights(golden, { op_threshs: thresholds });
    using extractor = await FeatureExtractor.densenet(path);
    t.match(extractor, { network: 'densenet', mode: undefined, classes: 18 });
    t.equal(extractor.labels.length, 18);
    t.equal(extractor.labels[7], 'Effusion');
    const pixels = await (await tensor(golden, 'pixels').add(1024)).div(2048);
    const found = await extractor.forward(pixels);
    for (const [name, actual] of [
      ['features2', found.features],
      ['logits', found.logits],
    ] as const) {
      const error = await relativeError(actual, tensor(golden, name));
      t.ok(error <= 1e-4, `${name}: ${error}`);
    }
    const expected = Array.from(found.logits.data(), Number).map((logit) => {
      const p = 1 / (1 + Math.exp(-logit));
      return p < 0.2 ? p / 0.4 : 1 - (1 - p) / 1.6;
    });
    const probabilities = Tensor.from(Float32Array.from(expected), { shape: [2, 18] });
    t.ok((await relativeError(found.probabilities, probabilities)) < 1e-6, 'probabilities');

    const statistics = new FeatureStatistics();
    await statistics.add(found);
    t.match(statistics, { count: 2, width: 1024, source: /^densenet features/ });

    const grey = new Image({
      width: 2,
      height: 2,
      channels: 1,
      data: Uint8Array.of(0, 90, 180, 255),
    });
    const rgb = new Uint8Array(12);
    for (let i = 0; i < 12; ++i) rgb[i] = grey.data[Math.floor(i / 3)] as number;
    const colour = new Image({ width: 2, height: 2, channels: 3, data: rgb });
    const [one, three] = [await extractor.forward(grey), await extractor.forward([colour])];
    t.ok((await relativeError(three.features, one.features)) < 1e-3, 'grey is one channel');

    await misuse(extractor, path);
    using half = await FeatureExtractor.densenet(path, { dtype: 'bfloat16' });
    const rough = await half.forward(pixels);
    t.equal(rough.features.dtype, 'float32');
    t.ok((await relativeError(rough.features, found.features)) < 2e-2, 'bfloat16');
    const resized = await half.forward(grey);
    t.ok((await relativeError(resized.features, one.features)) < 2e-2, 'bfloat16, resized');

    async function misuse(of: FeatureExtractor, weights: string): Promise<void> {
      const nan = Tensor.full([1, 1, 8, 8], Number.NaN);
      const wrong: [() => Promise<unknown>, string, RegExp][] = [
        [() => of.forward(Tensor.ones([8, 8])), 'ERR_SHAPE', /H, W/],
        [() => of.forward(Tensor.ones([1, 2, 8, 8])), 'ERR_SHAPE', /1 or 3/],
        [() => of.forward(Tensor.ones([0, 1, 8, 8])), 'ERR_SHAPE', /H, W/],
        [() => of.forward(nan), 'ERR_NON_FINITE', /NaN/],
        [() => of.forward(Tensor.full([1, 1, 8, 8], 255)), 'ERR_INVALID_ARG', /255/],
        [
          () => of.forward(Tensor.ones([1, 1, 8, 8], { dtype: 'uint8' })),
          'ERR_DTYPE',
          /uint8|Byte/,
        ],
        [() => of.forward([]), 'ERR_INVALID_ARG', /image/],
        [() => of.forward('image' as never), 'ERR_INVALID_ARG', /images/],
        [() => of.forward([grey, grey], { layer: '64' }), 'ERR_INVALID_ARG', /layer/],
        [() => of.forward(grey, { leyer: '64' } as never), 'ERR_INVALID_ARG', /leyer/],
        [
          () => FeatureExtractor.densenet(weights, { labels: ['one'] }),
          'ERR_INVALID_ARG',
          /18 names/,
        ],
        [() => FeatureExtractor.densenet(weights, { dtype: 'int8' }), 'ERR_DTYPE', /model/],
        [() => FeatureExtractor.densenet('/nowhere'), 'ERR_MODEL_NOT_FOUND', /nowhere/],
        [() => FeatureExtractor.densenet(''), 'ERR_INVALID_ARG', /path/],
        [() => FeatureExtractor.inception(weights), 'ERR_WEIGHTS_MISSING_KEY', /Conv2d_1a/],
        [
          () => FeatureExtractor.inception(weights, { mode: 'fid' as never }),
          'ERR_INVALID_ARG',
          /mode/,
        ],
      ];
      for (const [call, code, message] of wrong) await t.rejects(call, { code, message });
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      await t.rejects(of.forward(grey, { signal }), reason);
      await t.rejects(FeatureExtractor.densenet(weights, { signal }), reason);
      const many = Tensor.zeros([32, 1, 224, 224]);
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 30);
      await t.rejects(of.forward(many, { signal: controller.signal }), reason);
      const before = nativeMemory();
      const other = await FeatureExtractor.densenet(weights, { labels: of.labels.map(String) });
      const pending = other.forward(grey);
      other.dispose();
      t.ok(other.disposed);
      const last = await pending;
      t.same(last.features.shape, [1, 1024], 'a running call ends well');
      await t.rejects(other.forward(grey), { code: 'ERR_DISPOSED' });
      for (const each of [last.features, last.logits, last.probabilities]) each.dispose();
      t.equal(nativeMemory().tensors, before.tensors);
    }
  },
);

t.test('files of something else are refused', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'other.safetensors');
  await saveTensors(path, { weight: Tensor.ones([2]) });
  const text = join(folder, 'text.pth');
  writeFileSync(text, 'no weights');
  for (const load of [FeatureExtractor.inception, FeatureExtractor.densenet]) {
    await t.rejects(load(path), { code: 'ERR_WEIGHTS_MISSING_KEY' });
    await t.rejects(load(text), { code: 'ERR_WEIGHTS_CORRUPT' });
  }
});

/** uint8 [N, 3, H, W] */
function imagesOf(bytes: Tensor): Image[] {
  const [count = 0, , height = 0, width = 0] = bytes.shape;
  const plane = height * width;
  const data = bytes.data() as Uint8Array;
  return Array.from({ length: count }, (_, n) => {
    const pixels = new Uint8Array(plane * 3);
    for (let i = 0; i < pixels.length; ++i) {
      pixels[i] = data[n * 3 * plane + (i % 3) * plane + Math.floor(i / 3)] as number;
    }
    return new Image({ width, height, channels: 3, data: pixels });
  });
}
