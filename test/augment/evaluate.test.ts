import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  type AugmentEvaluationOptions,
  type ClassifierTrainer,
  evaluateAugmentation,
  Image,
  metrics,
} from '../../src/index.js';
import { aurocIntervals } from '../../src/study/augmentation/auroc-intervals.js';
import { changed, changeOf } from '../../src/study/augmentation/classical-augmentation.js';
import { conclusionOf, sentenceOf, verdictOf } from '../../src/study/augmentation/verdict.js';
import { type RealRow, writeRealFolder } from '../support/augment-data.js';
import { massPicture } from '../support/mass-picture.js';
import { toyTrainer } from '../support/toy-trainer.js';

function rows(from: number, count: number, contrast: number, more: object = {}): RealRow[] {
  return Array.from({ length: count }, (_, n) => {
    const mass = n % 2 === 0;
    const labels = { Mass: mass ? 1 : 0 };
    return {
      image: massPicture(from + n, mass, contrast),
      labels,
      patient_id: `p${from + n}`,
      ...more,
    };
  });
}

const folder = t.testdir();
const dataset = await writeRealFolder(join(folder, 'real'), [
  ...rows(0, 24, 0.03, { split: 'train' }),
  ...rows(1000, 60, 0.03, { split: 'test' }),
]);
const helpful = await writeRealFolder(join(folder, 'helpful'), rows(5000, 120, 0.03));
// What was asked for is not what is there.
const wrong = await writeRealFolder(
  join(folder, 'wrong'),
  rows(5000, 60, 0.2).map((row, n) => ({ ...row, labels: { Mass: n % 2 } })),
);
let evaluations = 0;

function options(more: Partial<AugmentEvaluationOptions> = {}): AugmentEvaluationOptions {
  return {
    dataset,
    synthetic: helpful,
    out: join(folder, `evaluation-${evaluations++}`),
    trainer: toyTrainer(),
    sizes: [6, 20],
    seeds: 2,
    draws: 200,
    ...more,
  };
}

t.test('five ways at two sizes with two seeds, and what they come to', async (t) => {
  const cells: string[] = [];
  const given = options({ onProgress: ({ cell }) => cells.push(cell) });
  const { rows, conclusion, sentences, counts, files } = await evaluateAugmentation(given);
  t.equal(cells.length, 2 * (1 + 4 * 2) + 1);
  t.match(cells, ['synthetic-0-0', 'real-6-0', 'real+classical-6-0', 'real+synthetic-6-0']);
  t.same(counts, {
    training: 24,
    test: 60,
    testPatients: 60,
    synthetic: 120,
    seeds: 2,
    positives: { Mass: 30 },
  });
  t.same(
    rows.map(({ size, arm }) => `${size} ${arm}`),
    [6, 20].flatMap((size) =>
      ['real', 'real+classical', 'real+synthetic', 'synthetic', 'synthetic-then-real'].map(
        (arm) => `${size} ${arm}`,
      ),
    ),
  );
  for (const { auroc, gain, arm, labels } of rows) {
    t.ok(auroc.lower <= auroc.value && auroc.value <= auroc.upper, `${arm} ${auroc.value}`);
    t.ok(auroc.lower > 0.2 && auroc.upper <= 1);
    t.same(labels.Mass?.auroc, auroc, 'one label is its own mean');
    if (arm === 'real') t.match(gain, { value: 0, lower: 0, upper: 0 });
  }
  const of = (size: number, arm: string) =>
    rows.find((row) => row.size === size && row.arm === arm)?.auroc.value ?? 0;
  t.equal(of(6, 'synthetic'), of(20, 'synthetic'));
  t.ok(of(6, 'real+synthetic') > of(6, 'real') + 0.05, 'images of the same kind help');
  t.match(conclusion, /^Synthetic images helped in \d of 6 cases/);
  t.match(sentences[1], /^6 real images, real and synthetic images: better than real images alone/);

  // The cell's figure is the AUROC of its scores.
  const { scores } = JSON.parse(
    readFileSync(join(given.out, 'cells/real-6-0/result.json'), 'utf8'),
  );
  const other = JSON.parse(readFileSync(join(given.out, 'cells/real-6-1/result.json'), 'utf8'));
  const truth = Array.from({ length: 60 }, (_, n) => (n % 2 === 0 ? 1 : 0));
  const figures = await Promise.all(
    [scores, other.scores].map(async (each) => (await metrics.auroc(truth, each.flat())).value),
  );
  const mean = ((figures[0] as number) + (figures[1] as number)) / 2;
  t.ok(Math.abs(mean - of(6, 'real')) < 1e-12);

  const html = readFileSync(files.report, 'utf8');
  t.match(html, conclusion);
  t.match(html, /<svg/);
  t.match(html, /Nobody has looked whether the images show it/);
  const saved = JSON.parse(readFileSync(files.results, 'utf8'));
  t.equal(saved.rows.length, 10);
  t.equal(saved.conclusion, conclusion);
});

t.test('what was trained is not trained again, unless something else is asked for', async (t) => {
  const controller = new AbortController();
  const trainer = toyTrainer();
  const given = options({ trainer, sizes: [6], seeds: 1 });
  await t.rejects(
    evaluateAugmentation({
      ...given,
      signal: controller.signal,
      onProgress: ({ done }) => done === 3 && controller.abort(new Error('enough')),
    }),
    { message: 'enough' },
  );
  t.equal(trainer.trainings, 3);
  t.notOk(existsSync(join(given.out, 'results.json')));
  const first = await evaluateAugmentation(given);
  t.equal(trainer.trainings, 3 + 1 + 2, 'synthetic then real is two');
  const again = await evaluateAugmentation(given);
  t.equal(trainer.trainings, 6);
  t.same(again.rows, first.rows);
  const whole = await evaluateAugmentation(options({ sizes: [6], seeds: 1 }));
  t.same(whole.rows, first.rows, 'as in one go');
  const other = toyTrainer('toy 2');
  await evaluateAugmentation({ ...given, trainer: other });
  t.equal(other.trainings, 6, 'another trainer trains itself');
});

t.test('it is said plainly that synthetic images do not help', async (t) => {
  const { conclusion, sentences, rows } = await evaluateAugmentation(
    options({ synthetic: wrong, sizes: [20] }),
  );
  t.match(conclusion, /^Synthetic images did not help, .* worse\.$/);
  t.ok(sentences.some((sentence) => /WORSE than real images alone/.test(sentence)));
  t.equal(rows.find(({ arm }) => arm === 'synthetic')?.verdict, 'harms');
});

t.test('verdicts', async (t) => {
  const interval = (lower: number, upper: number) => ({ value: (lower + upper) / 2, lower, upper });
  t.equal(verdictOf(interval(0.01, 0.2)), 'helps');
  t.equal(verdictOf(interval(-0.1, 0.2)), 'no-difference');
  t.equal(verdictOf(interval(0, 0.2)), 'no-difference');
  t.equal(verdictOf(interval(-0.2, -0.1)), 'harms');
  t.equal(verdictOf(interval(Number.NaN, 1)), 'unknown');
  const real = interval(0.7, 0.8);
  t.equal(
    sentenceOf(50, 'real+synthetic', real, real, interval(-0.02, 0.01)),
    '50 real images, real and synthetic images: did NOT help: mean AUROC 0.750 (0.700 to 0.800) against 0.750 (0.700 to 0.800), a difference of -0.005 (-0.020 to 0.010), which chance explains.',
  );
  const row = { size: 1, arm: 'synthetic', verdict: 'helps', overClassical: 'harms' } as const;
  t.match(
    conclusionOf([row]),
    /helped in 1 of 1 cases, but never more than turned and moved copies/,
  );
  t.match(conclusionOf([{ ...row, overClassical: 'helps' }]), /in 1 of them more than turned/);
  t.match(conclusionOf([{ ...row, verdict: 'unknown' }]), /did not help/);
});

t.test('intervals are those of patients, ties and unknown labels included', async (t) => {
  const truth = [1, 0, 1, 0, -1, 1, 0, 0];
  const scores = [0.9, 0.1, 0.5, 0.5, 0.99, 0.4, 0.4, 0.2];
  const patients = truth.map((_, n) => `p${n}`);
  const constant = truth.map(() => 0.5);
  const { byLabel, mean } = await aurocIntervals(
    [{ truth, arms: [[constant], [scores]] }],
    patients,
    { draws: 400, signal: undefined },
  );
  const [coin, real] = byLabel[0]?.auroc ?? [];
  t.same(coin, { value: 0.5, lower: 0.5, upper: 0.5 });
  t.ok(Math.abs((real?.value ?? 0) - (await metrics.auroc(truth, scores)).value) < 1e-12);
  t.ok((real?.lower ?? 0) < (real?.value ?? 0) && (real?.upper ?? 0) === 1);
  t.same(mean.gain[0], { value: 0, lower: 0, upper: 0 });
  const one = await aurocIntervals(
    [{ truth, arms: [[scores]] }],
    patients.map(() => 'p'),
    { draws: 20, signal: undefined },
  );
  const [same] = one.byLabel[0]?.auroc ?? [];
  t.equal(same?.lower, same?.upper, 'one patient: every draw is the same');
  const none = await aurocIntervals([{ truth: [1, 1], arms: [[[1, 2]]] }], ['a', 'b'], {
    draws: 10,
    signal: undefined,
  });
  t.match(none.mean.auroc[0], { value: Number.NaN, lower: Number.NaN });
});

t.test('classical copies keep size and depth, differ, and are the same again', async (t) => {
  for (const bitDepth of [8, 16] as const) {
    for (const channels of [1, 3] as const) {
      const pixels = Float32Array.from({ length: 40 * 30 * channels }, (_, at) => (at % 97) / 97);
      const image = Image.fromPixels(pixels, { width: 40, height: 30, channels, bitDepth });
      const copies = [];
      for (let copy = 0; copy < 6; ++copy) copies.push(await changed(image, changeOf('a', copy)));
      for (const copy of copies) t.match(copy, { width: 40, height: 30, channels, bitDepth });
      const bytes = copies.map(({ data }) => Buffer.from(data).toString('base64'));
      t.equal(new Set(bytes).size, 6);
      const again = await changed(image, changeOf('a', 3));
      t.equal(Buffer.from(again.data).toString('base64'), bytes[3]);
      const none = { degrees: 0, zoom: 1, shift: [0, 0] as const, contrast: 1, brightness: 0 };
      t.same((await changed(image, none)).data, image.data);
    }
  }
});

t.test('what is wrong is said before anything is trained', async (t) => {
  const shared = await writeRealFolder(join(folder, 'shared'), [
    ...rows(0, 4, 0.1, { split: 'train', patient_id: 'p' }),
    ...rows(9, 4, 0.1, { split: 'test', patient_id: 'p' }),
  ]);
  const sources = await writeRealFolder(join(folder, 'sources'), [
    ...rows(0, 4, 0.1, { split: 'train', source: 'nih' }),
    ...rows(9, 30, 0.1, { split: 'test', source: 'kermany' }),
    ...rows(90, 30, 0.1, { split: 'test', source: 'nih' }),
  ]);
  const trainer = toyTrainer();
  const cases: [Record<string, unknown>, RegExp][] = [
    [
      { dataset: helpful },
      /dataset: expected images to train on and of split 'test', found 120 and 0/,
    ],
    [{ dataset: shared }, /no patient in train and test, found 4 test images/],
    [{ dataset: sources }, /source: expected one of kermany, nih, received undefined/],
    [{ dataset: 1 }, /dataset: expected a Dataset/],
    [{ sizes: [25] }, /sizes: expected at most 24/],
    [{ sizes: [] }, /sizes/],
    [{ leastPositives: 31 }, /labels: expected one with 31 positives/],
    [{ trainer: async () => {} }, /expected a trainer/],
    [{ seeds: 0 }, /seeds/],
    [{ size: 3 }, /size/],
  ];
  for (const [more, message] of cases) {
    const given = options({ trainer, ...more });
    await t.rejects(evaluateAugmentation(given), { code: 'ERR_INVALID_ARG', message });
    t.notOk(existsSync(given.out));
  }
  t.equal(trainer.trainings, 0);
  await t.resolves(
    evaluateAugmentation(options({ dataset: sources, source: 'nih', sizes: [4], seeds: 1 })),
  );
  const of = (predict: unknown) =>
    options({
      trainer: { digest: 'x', train: async () => ({ predict }) } as unknown as ClassifierTrainer,
    });
  for (const scores of [[], [[1, 2]], Array(60).fill([Number.NaN])]) {
    await t.rejects(evaluateAugmentation(of(async () => scores)), {
      code: 'ERR_INVALID_ARG',
      message: /trainer: expected 1 finite scores for each of 60 test images/,
    });
  }
  let disposed = 0;
  const failing: ClassifierTrainer = {
    digest: 'fails',
    train: async () => ({
      predict: async () => {
        throw new Error('of the trainer');
      },
      dispose: () => {
        disposed += 1;
      },
    }),
  };
  await t.rejects(evaluateAugmentation(options({ trainer: failing })), {
    message: 'of the trainer',
  });
  t.equal(disposed, 1);
});
