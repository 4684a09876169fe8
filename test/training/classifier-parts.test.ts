import t from 'tap';
import type { Labels } from '../../src/index.js';
import { EarlyStopping } from '../../src/training/classifier-progress.js';
import { classifierReport } from '../../src/training/classifier-report.js';
import {
  absentAsNegative,
  classifierParts,
  labelRows,
  learnableLabels,
  positiveWeights,
} from '../../src/training/classifier-targets.js';

function record(id: number, patient: number, labels: Labels = {}, split?: string) {
  return { id: `r${id}`, patient: `p${patient}`, labels, ...(split !== undefined && { split }) };
}

const options = { validation: 0.25, seed: 0 };

t.test('records go where their split says', async (t) => {
  const records = [
    record(0, 0, {}, 'train'),
    record(1, 1),
    record(2, 2, {}, 'validation'),
    record(3, 3, {}, 'test'),
  ];
  const parts = classifierParts(records, options);
  const ids = (of: readonly { id: string }[]) => of.map(({ id }) => id);
  t.same(ids(parts.train), ['r0', 'r1'], 'no split is for training');
  t.same(ids(parts.validation), ['r2']);
  t.same(ids(parts.test), ['r3']);
});

t.test('validation is held out by patient, by the seed alone', async (t) => {
  const records = Array.from({ length: 800 }, (_, i) => record(i, i % 400));
  const parts = classifierParts(records, options);
  const patients = (of: readonly { patient: string }[]) => new Set(of.map((each) => each.patient));
  const held = patients(parts.validation);
  t.ok(held.size > 70 && held.size < 130, `${held.size} of 400 patients`);
  t.equal(parts.validation.length, held.size * 2, 'with all of their images');
  t.equal(parts.train.length + parts.validation.length, 800);
  const reversed = classifierParts([...records].reverse(), options);
  t.same(patients(reversed.validation), held, 'whatever the order');
  const other = classifierParts(records, { ...options, seed: 1 });
  t.notSame(patients(other.validation), held, 'another seed holds out others');
});

t.test('parts that would mislead are errors', async (t) => {
  const shared = [
    record(0, 7, {}, 'train'),
    record(1, 8, {}, 'validation'),
    record(2, 7, {}, 'test'),
  ];
  t.throws(() => classifierParts(shared, options), {
    code: 'ERR_DATASET',
    message: /patient p7 is in train and in test/,
  });
  t.throws(() => classifierParts([record(0, 0, {}, 'dev')], options), {
    code: 'ERR_DATASET',
    message: /split: .*'dev'/,
  });
  t.throws(() => classifierParts([], options), { code: 'ERR_DATASET', message: /for train/ });
  const all = [record(0, 0, {}, 'train')];
  t.throws(() => classifierParts(all, { validation: 0, seed: 0 }), { message: /for validation/ });
});

t.test('only labels with positives and negatives can be learned', async (t) => {
  const records = [
    record(0, 0, { Mass: 1, Edema: 0, Always: 1, Doubted: -1 }),
    record(1, 1, { Mass: 0, Edema: 1, Always: 1, Doubted: 0 }),
  ];
  t.same(learnableLabels(records), ['Edema', 'Mass']);
  t.same(learnableLabels(records, ['Mass', 'Edema']), ['Mass', 'Edema'], 'in the order asked for');
  t.throws(() => learnableLabels(records, ['Mass', 'Doubted']), {
    code: 'ERR_DATASET',
    message: /of Doubted among the 2 records/,
  });
  t.throws(() => learnableLabels([]), { code: 'ERR_DATASET' });
  t.throws(() => learnableLabels(records, []), { code: 'ERR_DATASET' });
  t.throws(() => learnableLabels(records, ['Mass', 'Mass']), { code: 'ERR_INVALID_ARG' });
});

t.test('labels that are not mentioned are negative only where that is said', async (t) => {
  const records = [
    record(0, 0, { Mass: 1 }),
    record(1, 1),
    record(2, 2, { Mass: 0, Edema: -1 }),
    record(3, 3, { Edema: 1 }),
  ];
  const listed = records.filter(({ labels }) => labels.Mass !== 0);
  t.throws(() => learnableLabels(listed), { code: 'ERR_DATASET', message: /not mentioned/ });
  const complete = absentAsNegative(records);
  t.same(
    complete.map(({ labels }) => labels),
    [
      { Edema: 0, Mass: 1 },
      { Edema: 0, Mass: 0 },
      { Edema: -1, Mass: 0 },
      { Edema: 1, Mass: 0 },
    ],
    'what is uncertain stays so',
  );
  t.same(learnableLabels(absentAsNegative(listed)), ['Edema', 'Mass']);
  t.same(records[1]?.labels, {}, 'the records given are as they were');
});

t.test('uncertain and unknown labels are NaN, and count for no weight', async (t) => {
  const records = [
    record(0, 0, { A: 1, B: -1 }),
    record(1, 1, { A: 0 }),
    record(2, 2, { A: 0, B: 1 }),
    record(3, 3, { A: 0, B: 1 }),
  ];
  const rows = labelRows(records, ['A', 'B']);
  t.same([...rows], [1, Number.NaN, 0, Number.NaN, 0, 1, 0, 1]);
  t.same(positiveWeights(rows, 2, 20), [3, 1], 'negatives for each positive; 1 without both');
  t.same(positiveWeights(rows, 2, 2), [2, 1], 'not above the limit');
});

t.test('training ends when no epoch has been better for long', async (t) => {
  const stopping = new EarlyStopping(2);
  t.equal(stopping.add(0, 0.6), true);
  t.equal(stopping.add(1, 0.7), true);
  t.equal(stopping.add(2, 0.7), false, 'an equal one is no better');
  t.equal(stopping.isOver, false);
  t.equal(stopping.add(3, 0.5), false);
  t.equal(stopping.isOver, true);
  t.same(stopping.best, { epoch: 1, value: 0.7 });
  t.throws(() => stopping.add(4, Number.NaN), { code: 'ERR_DATASET', message: /no label has/ });
});

t.test('a report has each label’s figures and what they are made of', async (t) => {
  const labels = Float32Array.from([1, 0, 0, 0, 1, Number.NaN, 0, 0]);
  const scores = Float32Array.from([0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.1, 0.4]);
  const report = await classifierReport(['A', 'B'], labels, scores, {
    bootstrap: { draws: 50, seed: 1 },
  });
  t.equal(report.images, 4);
  const [a, b] = report.labels;
  t.match(a, { label: 'A', auroc: { value: 0.75, positives: 2, negatives: 2 } });
  t.ok(Math.abs((a?.averagePrecision.value ?? 0) - (1 + 2 / 3) / 2) < 1e-12);
  t.ok((a?.auroc.lower ?? 2) <= 0.75 && (a?.auroc.upper ?? -1) >= 0.75, 'an interval around it');
  t.match(b, { label: 'B', auroc: { value: Number.NaN, positives: 0, negatives: 3 } });
  t.equal(report.meanAuroc, 0.75, 'over the labels that have both');
});

t.test('misuse of a report', async (t) => {
  const row = Float32Array.of(1, 0);
  const invalid = { code: 'ERR_INVALID_ARG' };
  await t.rejects(classifierReport([], row, row), invalid);
  await t.rejects(classifierReport(['A', 'B', 'C'], row, row), invalid);
  await t.rejects(classifierReport(['A'], row, Float32Array.of(1)), invalid);
  const nan = Float32Array.of(Number.NaN, 0);
  await t.rejects(classifierReport(['A'], row, nan), { code: 'ERR_NON_FINITE' });
  const signal = AbortSignal.abort();
  await t.rejects(classifierReport(['A'], row, row, { signal }), { name: 'AbortError' });
});
