import t, { type Test } from 'tap';
import { loadTensors, metrics, Tensor } from '../../src/index.js';
import { goldenPath, tensor, withoutGolden } from '../support/golden.js';

t.test(
  'AUROC and AP are the reference’s, unknown labels left out',
  { skip: withoutGolden },
  async (t) => {
    const golden = await loadTensors(goldenPath('metrics/classifier.safetensors'));
    const labels = tensor(golden, 'labels');
    const scores = tensor(golden, 'scores');
    const expected = {
      auroc: JSON.parse(golden.metadata.auroc ?? ''),
      averagePrecision: JSON.parse(golden.metadata.average_precision ?? ''),
    };
    const column = async (of: Tensor, i: number) => (await of.slice(1, i, i + 1)).reshape([-1]);
    for (let i = 0; i < 6; ++i) {
      const [known, given] = [await column(labels, i), await column(scores, i)];
      for (const measure of ['auroc', 'averagePrecision'] as const) {
        const found = await metrics[measure](known, given);
        closeTo(t, found.value, expected[measure][i], `${measure} ${i}`);
        const rows = Array.from(known.data(), Number);
        t.equal(found.positives, rows.filter((label) => label === 1).length);
        t.equal(found.negatives, rows.filter((label) => label === 0).length);
        const lists = await metrics[measure](rows, Array.from(given.data(), Number));
        t.same(lists, found, 'arrays give the same');
      }
    }
  },
);

t.test('labels may be booleans, and unknown in any way', async (t) => {
  const labels = [true, 1, false, 0, null, undefined, -1, Number.NaN];
  const scores = [4, 3, 2, 1, Number.NaN, 9, 9, 9];
  t.same(await metrics.auroc(labels, scores), { value: 1, positives: 2, negatives: 2 });
  const none = await metrics.auroc([null, 1], [1, 2], { bootstrap: true });
  t.match(none, { value: Number.NaN, lower: Number.NaN, positives: 1, negatives: 0 });
});

t.test('an interval surrounds the figure and follows the seed', async (t) => {
  const scores = (await Tensor.randn([300], { seed: 4 })).data() as Float32Array;
  const labels = Array.from(scores, (_, i) => i % 3 === 0);
  const shifted = scores.map((score, i) => score + (labels[i] ? 1 : 0));
  const bootstrap = { draws: 200, confidence: 0.9, seed: 7n };
  const area = await metrics.auroc(labels, shifted, { bootstrap });
  const { lower = Number.NaN, upper = Number.NaN } = area;
  t.ok(lower < area.value && area.value < upper && upper - lower < 0.2, `${lower} … ${upper}`);
  t.same(await metrics.auroc(labels, shifted, { bootstrap }), area, 'the same seed');
  const other = await metrics.auroc(labels, shifted, { bootstrap: { ...bootstrap, seed: 8 } });
  t.not(other.lower, lower, 'another seed');
  const plain = await metrics.auroc(labels, shifted, { bootstrap: false });
  t.same(Object.keys(plain).sort(), ['negatives', 'positives', 'value']);

  const gain = await metrics.aurocDifference(labels, shifted, scores, { bootstrap: true });
  closeTo(t, gain.value, area.value - (await metrics.auroc(labels, scores)).value, 'difference');
  t.ok((gain.lower ?? -1) > 0, 'a gain that is no luck');
  const nothing = await metrics.averagePrecisionDifference(labels, shifted, shifted, {
    bootstrap: true,
  });
  t.match(nothing, { value: 0, lower: 0, upper: 0 });
});

t.test('calibration puts probabilities into bins', async (t) => {
  const found = await metrics.calibration([0, 1, 1, 1, 0, null], [0.1, 0.3, 0.8, 1, 0.9, 0.5], {
    bins: 2,
  });
  closeTo(t, found.brier, 1.35 / 5, 'brier');
  closeTo(t, found.expectedError, (0.6 + 3 * (0.9 - 2 / 3)) / 5, 'expected error');
  t.same(
    found.bins.map(({ count }) => count),
    [2, 3],
  );
  t.equal((await metrics.calibration([1], [1])).bins.length, 10);
});

t.test('misuse is named', async (t) => {
  const labels = [1, 0];
  const wrong: [() => Promise<unknown>, string, RegExp][] = [
    [() => metrics.auroc(labels, [1]), 'ERR_SHAPE', /2 labels/],
    [() => metrics.auroc(labels, [1, Number.NaN]), 'ERR_NON_FINITE', /scores/],
    [() => metrics.auroc('10' as never, [1, 2]), 'ERR_INVALID_ARG', /labels/],
    [() => metrics.auroc(labels, undefined as never), 'ERR_INVALID_ARG', /scores/],
    [
      () => metrics.auroc(labels, labels, { bootstrap: { draws: 0 } }),
      'ERR_INVALID_ARG',
      /bootstrap/,
    ],
    [
      () => metrics.auroc(labels, labels, { bootstrap: { confidence: 1 } }),
      'ERR_INVALID_ARG',
      /bootst/,
    ],
    [() => metrics.auroc(labels, labels, { bootstrap: { seed: -1 } }), 'ERR_INVALID_ARG', /seed/],
    [
      () => metrics.auroc(labels, labels, { boostrap: true } as never),
      'ERR_INVALID_ARG',
      /boostrap/,
    ],
    [() => metrics.auroc(Tensor.ones([2, 1]), Tensor.ones([2, 1])), 'ERR_SHAPE', /\[N\]/],
    [() => metrics.calibration(labels, [2, 0]), 'ERR_INVALID_ARG', /probabilities/],
    [() => metrics.calibration(labels, labels, { bins: 0 }), 'ERR_INVALID_ARG', /bins/],
  ];
  t.match(await metrics.averagePrecision([], []), { value: Number.NaN, positives: 0 });
  for (const [call, code, message] of wrong) await t.rejects(call, { code, message });
  const disposed = Tensor.ones([2]);
  disposed.dispose();
  await t.rejects(metrics.auroc(disposed, labels), { code: 'ERR_DISPOSED' });
});

t.test('a signal stops the draws with its reason', async (t) => {
  const labels = Array.from({ length: 20_000 }, (_, i) => i % 2);
  const reason = new Error('enough');
  await t.rejects(metrics.auroc(labels, labels, { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 50);
  const bootstrap = { draws: 1_000_000 };
  await t.rejects(metrics.auroc(labels, labels, { bootstrap, signal: controller.signal }), reason);
});

function closeTo(t: Test, actual: number, expected: number, name: string): void {
  t.ok(Math.abs(actual - expected) <= 1e-6 * Math.abs(expected), `${name}: ${actual}, ${expected}`);
}
