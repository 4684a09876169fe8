import t from 'tap';
import { metrics, Tensor } from '../../src/index.js';

/** Numbers that look drawn and are always the same. */
function noise(count: number, start = 0): number[] {
  return Array.from({ length: count }, (_, i) => {
    const value = Math.sin((i + start) * 12.9898) * 43758.5453;
    return 2 * (value - Math.floor(value)) - 1;
  });
}

const numbers = (tensor: Tensor) => Array.from(tensor.data(), Number);

const matrix = (rows: number, values: readonly number[]) =>
  Tensor.from(Float64Array.from(values), { shape: [rows, values.length / rows] });

t.test('the linear probe is where the gradient of its loss is zero', async (t) => {
  const [count, width, l2] = [60, 3, 0.7];
  const values = noise(count * width);
  const rows = Array.from({ length: count }, (_, i) => values.slice(i * width, (i + 1) * width));
  const labels = rows.map(([a = 0, b = 0], i) =>
    Number(a - 2 * b + (noise(1, 999 + i)[0] ?? 0) > 0),
  );
  const features = matrix(count, values);
  using answers = await metrics.linearProbe(
    { features, labels: matrix(count, labels), queries: features },
    { l2 },
  );
  const residuals = numbers(answers).map(
    (score, i) => 1 / (1 + Math.exp(-score)) - (labels[i] ?? 0),
  );
  const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
  t.ok(Math.abs(sum(residuals)) < 1e-6, 'the intercept is free');

  // scores = X w + b with X standardised: w from the scores' own values at unit steps of each column.
  const means = Array.from(
    { length: width },
    (_, c) => sum(rows.map((row) => row[c] ?? 0)) / count,
  );
  const deviations = means.map((m, c) =>
    Math.sqrt(sum(rows.map((row) => ((row[c] ?? 0) - m) ** 2)) / count),
  );
  const steps = [
    means,
    ...means.map((_, c) => means.map((m, d) => (c === d ? m + (deviations[d] ?? 0) : m))),
  ];
  using probed = await metrics.linearProbe(
    { features, labels: matrix(count, labels), queries: matrix(width + 1, steps.flat()) },
    { l2 },
  );
  const [base = 0, ...stepped] = numbers(probed);
  stepped.forEach((score, c) => {
    const gradient = sum(
      rows.map(
        (row, i) =>
          (((row[c] ?? 0) - (means[c] ?? 0)) / (deviations[c] ?? 1)) * (residuals[i] ?? 0),
      ),
    );
    t.ok(Math.abs(gradient + l2 * (score - base)) < 1e-6, `column ${c}`);
  });
});

t.test(
  'labels that are not known are left out, and those without both classes have no answer',
  async (t) => {
    const features = matrix(6, [-2, -1, -1.5, 1, 2, 2.5]);
    const labels = matrix(6, [0, 1, 0, 1, 0, 1, 1, 1, 1, 1, -1, -1]);
    using answers = await metrics.linearProbe({ features, labels, queries: matrix(2, [-1, 1]) });
    const [low = 0, none, high = 0] = numbers(answers);
    t.ok(low < 0 && high > 0);
    t.ok(Number.isNaN(none));
  },
);

t.test('a column that does not vary, and more columns than rows', async (t) => {
  const features = matrix(4, [1, 5, 0, 0, 2, 5, 1, 1, -1, 5, 0, 1, -2, 5, 1, 0]);
  using answers = await metrics.linearProbe({
    features,
    labels: matrix(4, [1, 1, 0, 0]),
    queries: features,
  });
  t.ok(numbers(answers).every(Number.isFinite));
  const wide = matrix(4, noise(4 * 50));
  using scores = await metrics.linearProbe(
    { features: wide, labels: matrix(4, [1, 0, 1, 0]), queries: wide },
    { l2: 1e-3 },
  );
  t.same(
    numbers(scores).map((score) => score > 0),
    [true, false, true, false],
  );
});

t.test('principal components are the directions that points lie along', async (t) => {
  const along = noise(40);
  const points = along.flatMap((value) => [3 * value + 1, 4 * value - 2, 7]);
  const { scores, variance } = await metrics.principalComponents(matrix(40, points), { count: 1 });
  t.same(scores.shape, [40, 1]);
  t.equal(variance.length, 3);
  t.ok(Math.abs((variance[0] ?? 0) - 1) < 1e-12 && (variance[1] ?? 1) < 1e-12);
  const centre = along.reduce((a, b) => a + b, 0) / 40;
  numbers(scores).forEach((score, i) => {
    const expected = 5 * ((along[i] ?? 0) - centre);
    if (Math.abs(score - expected) > 1e-9) t.fail(`row ${i}: ${score}, expected ${expected}`);
  });
  const { variance: none } = await metrics.principalComponents(Tensor.ones([3, 2]));
  t.same(none, [0, 0], 'points that are one point');
});

t.test('misuse is named', async (t) => {
  const [features, labels] = [matrix(4, noise(8)), matrix(4, [1, 0, 1, 0])];
  const probe = metrics.linearProbe;
  const nan = Tensor.full([4, 2], Number.NaN);
  const wrong: [() => Promise<unknown>, string, RegExp][] = [
    [() => probe({ features, labels, queries: matrix(2, [1, 2]) }), 'ERR_SHAPE', /width/],
    [
      () => probe({ features, labels: matrix(3, [1, 0, 1]), queries: features }),
      'ERR_SHAPE',
      /labels/,
    ],
    [() => probe({ features: nan, labels, queries: features }), 'ERR_NON_FINITE', /features/],
    [() => probe({ features, labels, queries: nan }), 'ERR_NON_FINITE', /queries/],
    [() => probe({ features, labels, queries: 1 as never }), 'ERR_INVALID_ARG', /queries/],
    [() => probe({ features, labels, queries: features }, { l2: 0 }), 'ERR_INVALID_ARG', /l2/],
    [() => metrics.principalComponents(matrix(1, [1, 2])), 'ERR_SHAPE', /2 rows/],
    [() => metrics.principalComponents(features, { count: 3 }), 'ERR_INVALID_ARG', /count/],
    [() => metrics.principalComponents(nan), 'ERR_NON_FINITE', /features/],
    [() => metrics.principalComponents(null as never), 'ERR_INVALID_ARG', /Tensor/],
  ];
  for (const [call, code, message] of wrong) await t.rejects(call(), { code, message });
  const reason = new Error('stop');
  const signal = AbortSignal.abort(reason);
  await t.rejects(probe({ features, labels, queries: features }, { signal }), reason);
  await t.rejects(metrics.principalComponents(features, { signal }), reason);
});
