import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { agreementOf } from '../../src/augment/label-agreement.js';
import {
  type AugmentOptions,
  augment,
  Classifier,
  type Image,
  type ImageClassifier,
} from '../../src/index.js';
import { readSet, smallRealFolder } from '../support/augment-data.js';
import { loadTinyPipeline } from '../support/tiny-pipeline.js';

const folder = t.testdir();
const pipeline = await loadTinyPipeline();
const dataset = await smallRealFolder(join(folder, 'real'));
let sets = 0;

/** The brighter the image, the surer of a mass. */
const byBrightness = {
  labels: ['Edema', 'Mass'],
  digest: 'brightness',
  async classify(images: readonly Image[]) {
    return images.map(({ pixels }) => {
      const brightness = pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
      return {
        probabilities: [1 - brightness, brightness],
        features: Float32Array.of(brightness, 1),
      };
    });
  },
} satisfies ImageClassifier;

function options(gate: AugmentOptions['gate'], more: Partial<AugmentOptions> = {}): AugmentOptions {
  return {
    pipeline,
    dataset,
    plan: { Mass: 4 },
    out: join(folder, `set-${sets++}`),
    generation: { steps: 2, width: 64, height: 64, guidanceScale: 2 },
    batchSize: 2,
    gate: { maxSimilarity: 0.9999, ...gate },
    onWarning: () => {},
    ...more,
  };
}

t.test('a classifier has to see what was asked for; what it says is recorded', async (t) => {
  const free = options({
    classifier: {
      ...byBrightness,
      classify: async (images) =>
        (await byBrightness.classify(images)).map(({ probabilities }) => ({ probabilities })),
    },
    minProbability: 0,
  });
  await augment(free);
  const seen = (await readSet(free.out)).map(
    (row) => row.checks as { classifier: { probability: number } },
  );
  const sure = seen.map(({ classifier }) => classifier.probability).sort((a, b) => a - b);
  const minProbability = ((sure[1] as number) + (sure[2] as number)) / 2;
  t.ok((sure[1] as number) < (sure[2] as number));

  const strict = options(
    { classifier: byBrightness, minProbability, tooNear: 0 },
    { maxAttempts: 6 },
  );
  const { reasons, labels } = await augment(strict);
  t.ok((reasons.classifier ?? 0) >= 2, 'half of the first attempts');
  t.equal(labels.Mass?.rejected, reasons.classifier);
  const rows = await readSet(strict.out);
  t.ok(rows.length >= 2);
  for (const row of rows) {
    t.match(row.checks, {
      classifier: { label: 'Mass', limit: minProbability, agrees: true },
      realFeatures: { similarity: Number, limit: Number, nearest: String },
    });
  }
  const run = JSON.parse(readFileSync(join(strict.out, 'augment.json'), 'utf8'));
  t.match(run, {
    identity: { gate: { classifier: 'brightness' } },
    options: { limits: { features: Number } },
  });
  await t.rejects(
    augment({ ...strict, gate: { ...strict.gate, classifier: { ...byBrightness, digest: 'b' } } }),
    {
      message: /the run's own gate, found others/,
    },
  );
});

t.test('features find likeness that pixels do not', async (t) => {
  const classifier = {
    ...byBrightness,
    classify: async (images: readonly Image[]) =>
      images.map(({ channels }, n) => ({
        probabilities: [1, 1],
        features: channels === 1 ? Float32Array.of(n + 1, 1) : Float32Array.of(2, 1),
      })),
  };
  const { reasons, labels } = await augment(
    options({ classifier, tooNear: 0.5 }, { maxAttempts: 2 }),
  );
  t.match(labels, { Mass: { accepted: 0, failed: 4 } });
  t.same(reasons, { realFeatures: 8 });
});

t.test('a Classifier of this library is one', async (t) => {
  const small = { image_size: 32, embedding_size: 4, hidden_sizes: [4], depths: [1] };
  using created = await Classifier.create({ labels: ['Edema', 'Mass'], ...small }, { seed: 3 });
  await created.save(join(folder, 'classifier'));
  using classifier = await Classifier.load(join(folder, 'classifier'));
  const given = options({ classifier, minProbability: 0 });
  await augment(given);
  const rows = await readSet(given.out);
  t.equal(rows.length, 4);
  for (const { checks } of rows) {
    t.match(checks, { classifier: { label: 'Mass', agrees: true }, realFeatures: {} });
  }
  const { identity } = JSON.parse(readFileSync(join(given.out, 'augment.json'), 'utf8'));
  t.equal(identity.gate.classifier, await classifier.digest());
});

t.test('what a classifier must say', async (t) => {
  const classifier = { ...byBrightness, labels: ['Edema', 'Mass'] };
  const says = (labels: Record<string, 1 | 0>, probabilities: number[], of = classifier) =>
    agreementOf(labels, of, { probabilities }, 0.5);
  t.match(says({ Edema: 1, Mass: 1 }, [0.9, 0.4]), { label: 'Mass', agrees: false });
  t.match(says({ Edema: 1, Mass: 0 }, [0.5, 0.9]), { label: 'Edema', agrees: true });
  t.match(says({ 'No Finding': 1, Edema: 0 }, [0.1, 0.6]), { label: 'Mass', agrees: false });
  t.match(says({ 'No Finding': 1 }, [0.1, 0.2]), { agrees: true });
  t.equal(says({ Hernia: 1 }, [1, 1]), null);
  t.equal(says({ 'No Finding': 1 }, [], { ...classifier, labels: [] }), null);
});

t.test('a classifier that answers amiss, throws, or is none', async (t) => {
  const answers = (classify: unknown) =>
    options({ classifier: { ...byBrightness, classify } as ImageClassifier });
  const wrong: [unknown, RegExp][] = [
    [async () => [], /expected one result for each of \d images, found 0/],
    [async () => undefined, /found undefined/],
    [
      async (images: unknown[]) => images.map(() => ({ probabilities: [1] })),
      /expected 2 probabilities, found 1/,
    ],
    [
      async (images: unknown[]) => images.map(() => ({ probabilities: [Number.NaN, 1] })),
      /from 0 to 1, found NaN/,
    ],
  ];
  for (const [classify, message] of wrong) {
    await t.rejects(augment(answers(classify)), { code: 'ERR_INVALID_ARG', message });
  }
  const thrown = async () => {
    throw new Error('of the classifier');
  };
  await t.rejects(augment(answers(thrown)), { message: 'of the classifier' });
  for (const classifier of [3, {}, { ...byBrightness, digest: undefined }]) {
    await t.rejects(augment(options({ classifier: classifier as ImageClassifier })), {
      code: 'ERR_INVALID_ARG',
      message: /expected a classifier/,
    });
  }
});

t.teardown(() => pipeline.dispose());
