import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  Classifier,
  type ClassifierEpoch,
  Image,
  Tensor,
  type TrainClassifierOptions,
  trainClassifier,
} from '../../src/index.js';
import { relativeError } from '../support/golden.js';

const size = 32;
const network = { image_size: size, embedding_size: 8, hidden_sizes: [8, 16], depths: [1, 1] };

/** A grey picture with a bright spot, or without. */
function picture(number: number, spot: boolean): Image {
  const data = Uint8Array.from({ length: size * size }, (_, i) => {
    const [y, x] = [Math.floor(i / size), i % size];
    const isSpot = spot && Math.hypot(y - 16, x - 16) < 6;
    return isSpot ? 230 : (i * 7 + number * 13) % 90;
  });
  return new Image({ width: size, height: size, channels: 1, data });
}

/** 48 pictures of as many patients: half of them for training, a quarter each for the others. */
function records(): TrainClassifierOptions['dataset'] {
  return Array.from({ length: 48 }, (_, n) => ({
    id: `image ${n}`,
    patient: `patient ${n}`,
    image: picture(n, n % 2 === 1),
    labels: { Spot: (n % 2) as 0 | 1 },
    split: n < 24 ? 'train' : n < 36 ? 'validation' : 'test',
  }));
}

const options = (output: string, more: Partial<TrainClassifierOptions> = {}) => ({
  dataset: records(),
  output,
  network,
  batchSize: 8,
  epochs: 6,
  learningRate: 3e-3,
  seed: 1,
  ...more,
});

t.test('what is easy to see is learned, kept and measured', async (t) => {
  const output = join(t.testdir(), 'run');
  const epochs: ClassifierEpoch[] = [];
  const { result, bestEpoch, labels, validation, test } = await trainClassifier(
    options(output, { onEpoch: (epoch) => epochs.push(epoch) }),
  );
  t.same(labels, ['Spot']);
  t.equal(epochs[bestEpoch]?.isBest, true);
  t.equal(validation.meanAuroc, epochs[bestEpoch]?.auroc, 'the best epoch is what was kept');
  t.equal(test?.images, 12);
  t.ok((test?.meanAuroc ?? 0) > 0.95, `${test?.meanAuroc}`);
  t.ok((epochs.at(-1)?.loss ?? 1) < 0.8 * (epochs[0]?.loss ?? 0));

  const classifier = await Classifier.load(result);
  t.teardown(() => classifier.dispose());
  const [none, one] = await classifier.classify([picture(100, false), picture(101, true)]);
  t.ok((one?.probabilities[0] ?? 0) > (none?.probabilities[0] ?? 1));
  t.equal(one?.features.length, 16);
  const run = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  t.match(run, { images: { train: 24, validation: 12, test: 12 }, bestEpoch, labels });
  const lines = readFileSync(join(output, 'metrics.jsonl'), 'utf8').trim().split('\n');
  t.same(
    lines.map((line) => JSON.parse(line)),
    epochs,
  );
  await t.rejects(trainClassifier(options(output)), { code: 'ERR_INVALID_ARG', message: /output/ });
});

t.test('a seed gives the same weights', async (t) => {
  const folder = t.testdir();
  const weights = async (name: string) => {
    const { result } = await trainClassifier(options(join(folder, name), { epochs: 2 }));
    return readFileSync(join(result, 'model.safetensors'));
  };
  t.ok((await weights('a')).equals(await weights('b')));
});

t.test('an abort keeps the best epoch so far; a callback that throws ends the run', async (t) => {
  const folder = t.testdir();
  const controller = new AbortController();
  const stopped = trainClassifier(
    options(join(folder, 'stopped'), {
      signal: controller.signal,
      onEpoch: () => controller.abort(new Error('enough')),
    }),
  );
  await t.rejects(stopped, { message: 'enough' });
  const kept = await Classifier.load(join(folder, 'stopped', 'result'));
  kept.dispose();
  const fail = () => {
    throw new Error('of the callback');
  };
  await t.rejects(trainClassifier(options(join(folder, 'failed'), { onEpoch: fail })), {
    message: 'of the callback',
  });
});

t.test('misuse is named', async (t) => {
  const folder = t.testdir();
  let number = 0;
  const run = (more: object) => trainClassifier(options(join(folder, `${number++}`), more));
  await t.rejects(run({ labels: ['Effusion'] }), { code: 'ERR_DATASET', message: /Effusion/ });
  await t.rejects(run({ dataset: [] }), { code: 'ERR_DATASET' });
  await t.rejects(run({ epochs: 0 }), { code: 'ERR_INVALID_ARG', message: /epochs/ });
  await t.rejects(run({ learningRat: 1 }), { code: 'ERR_INVALID_ARG', message: /learningRat/ });
  await t.rejects(run({ device: 'tpu' }), { code: 'ERR_DEVICE_UNAVAILABLE' });
  const unpaired = { ...network, depths: [1] };
  await t.rejects(run({ network: unpaired }), { code: 'ERR_CONFIG_INVALID', message: /depths/ });
});

t.test('a classifier saves, loads and refuses what it cannot see', async (t) => {
  const classifier = await Classifier.create({ labels: ['A', 'B'], ...network }, { seed: 3 });
  const folder = t.testdir();
  await classifier.save(folder);
  const loaded = await Classifier.load(folder);
  t.same(loaded.labels, ['A', 'B']);
  t.equal(loaded.imageSize, size);
  const pixels = (await (await Tensor.randn([2, 1, 40, 60], { seed: 1 })).mul(0.1)).add(0.5);
  const clamped = await pixels;
  const [own, others] = [await classifier.forward(clamped), await loaded.forward(clamped)];
  t.equal(await relativeError(others.logits, own.logits), 0);
  t.same(own.probabilities.shape, [2, 2]);
  using half = await Classifier.load(folder, { dtype: 'bfloat16' });
  const rough = await half.forward(clamped);
  t.ok((await relativeError(rough.features, own.features)) < 2e-2, 'bfloat16');
  const outside = await clamped.mul(4);
  await t.rejects(classifier.forward(outside), { code: 'ERR_INVALID_ARG', message: /0 to 1/ });
  await t.rejects(classifier.forward(Tensor.zeros([2, 2, 8, 8])), { code: 'ERR_SHAPE' });
  await t.rejects(Classifier.create({ labels: [] }), { code: 'ERR_INVALID_ARG' });
  classifier.dispose();
  await t.rejects(classifier.forward(clamped), { code: 'ERR_DISPOSED' });
  loaded.dispose();
});
