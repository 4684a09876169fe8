import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { FeatureStatistics, loadTensors, metrics, nativeMemory, Tensor } from '../../src/index.js';
import { goldenPath, relativeError, tensor, withoutGolden } from '../support/golden.js';

t.test('Fréchet distance and KID are the references’', { skip: withoutGolden }, async (t) => {
  const golden = await loadTensors(goldenPath('metrics/features.safetensors'));
  const [a, b] = [tensor(golden, 'a'), tensor(golden, 'b')];
  const figure = (name: string) => Number(golden.metadata[name]);
  const found = await metrics.frechetDistance(a, b);
  closeTo(t, found.value, figure('fid'), 'FID');
  t.match(found, { counts: [200, 230], width: 64, singular: false, source: '' });
  const few = await metrics.frechetDistance(await a.slice(0, 0, 20), b);
  closeTo(t, few.value, figure('fid_few'), 'FID of few');
  t.match(few, { counts: [20, 230], singular: true });
  t.ok(Math.abs((await metrics.frechetDistance(a, a)).value) < 1e-9, 'of a set from itself');
  const kid = await metrics.kernelDistance(a, b, { subsets: 0 });
  closeTo(t, kid.value, figure('kid_poly3_unbiased'), 'KID');
  t.match(kid, { counts: [200, 230], subsets: 0, deviation: 0 });
  const subsets = await metrics.kernelDistance(a, b, { subsets: 50, subsetSize: 100 });
  t.ok(Math.abs(subsets.value - kid.value) < 0.02 && subsets.deviation > 0, 'of subsets');
  t.match(await metrics.kernelDistance(a, b), { subsets: 100, subsetSize: 200 });
});

t.test('features in batches, merged and through a file, are one statistic', async (t) => {
  const folder = t.testdir();
  const rows = await Tensor.randn([60, 5], { seed: 1 });
  const whole = new FeatureStatistics({ source: 'mine' });
  t.match(whole, { count: 0, width: 0 });
  await whole.add(rows);
  const [first, second] = [new FeatureStatistics(), new FeatureStatistics()];
  await first.add({ features: await rows.slice(0, 0, 25), source: 'mine' });
  await Promise.all([
    second.add(await rows.slice(0, 25, 40)),
    second.add(await rows.slice(0, 40, 60)),
  ]);
  await first.merge(second);
  t.match(first, { count: 60, width: 5, source: 'mine' });
  t.equal(second.count, 35, 'what is merged stays as it is');

  const path = join(folder, 'real.safetensors');
  await first.save(path);
  t.same(readdirSync(folder), ['real.safetensors'], 'no temporary file stays');
  const loaded = await FeatureStatistics.load(path);
  t.match(loaded, { count: 60, width: 5, source: 'mine' });
  const expected = await whole.moments();
  for (const each of [first, loaded]) {
    const found = await each.moments();
    t.same(found.covariance.shape, [5, 5]);
    t.equal(found.covariance.dtype, 'float64');
    t.ok((await relativeError(found.mean, expected.mean)) < 1e-12, 'mean');
    t.ok((await relativeError(found.covariance, expected.covariance)) < 1e-12, 'covariance');
  }
  t.ok((await metrics.frechetDistance(loaded, whole)).value < 1e-9, 'distance');
  await loaded.add(rows);
  t.equal(loaded.count, 120, 'and goes on');
});

t.test('sources that cannot be compared are refused', async (t) => {
  const features = await Tensor.randn([10, 3]);
  const clean = { features, source: 'inception 2048 clean-fid' };
  const other = { features, source: 'inception 2048 pytorch-fid' };
  const refused = { code: 'ERR_INVALID_ARG', message: /clean-fid.*pytorch-fid/ };
  await t.rejects(metrics.frechetDistance(clean, other), refused);
  await t.rejects(metrics.kernelDistance(clean, other), refused);
  await t.rejects(metrics.precisionRecall(clean, other), refused);
  await t.rejects(metrics.nearestNeighbours(clean, other), refused);
  const statistics = new FeatureStatistics();
  await statistics.add(clean);
  await t.rejects(statistics.add(other), refused);
  t.equal(statistics.count, 10, 'and not added');
  t.equal((await metrics.frechetDistance(clean, features)).source, clean.source);
});

t.test('precision, recall, density, coverage and neighbours', async (t) => {
  const real = Tensor.from([0, 1, 2, 3, 10], { shape: [5, 1] });
  const made = Tensor.from([0.5, 1.5, 30], { shape: [3, 1] });
  // k = 1: balls of real rows reach 1, 1, 1, 1, 7; those of made rows 1, 1, 28.5.
  t.same(await metrics.precisionRecall(real, made, { k: 1 }), {
    precision: 2 / 3,
    recall: 1,
    density: (2 + 2) / 3,
    coverage: 3 / 5,
    k: 1,
    counts: [5, 3],
    source: '',
  });
  const found = await metrics.nearestNeighbours(made, real);
  t.same(found.indices.slice(2), [4]);
  t.same(found.distances, [0.5, 0.5, 20]);
});

t.test('misuse is named, and changes nothing', async (t) => {
  const rows = await Tensor.randn([8, 3]);
  const wide = await Tensor.randn([8, 4]);
  const one = await Tensor.randn([1, 3]);
  const statistics = new FeatureStatistics();
  const nothing = join(t.testdir(), 'nothing.safetensors');
  await t.rejects(statistics.moments(), { code: 'ERR_INVALID_ARG' });
  await t.rejects(statistics.save(nothing), { code: 'ERR_INVALID_ARG' });
  await statistics.add(rows);
  const nan = Tensor.full([2, 3], Number.NaN);
  const wrong: [() => Promise<unknown>, string, RegExp][] = [
    [() => statistics.add(wide), 'ERR_SHAPE', /\[N, 3\]/],
    [() => statistics.add(Tensor.ones([3])), 'ERR_SHAPE', /\[N, D\]/],
    [() => statistics.add(Tensor.zeros([0, 3])), 'ERR_SHAPE', /row/],
    [() => statistics.add(nan), 'ERR_NON_FINITE', /NaN/],
    [() => statistics.add(Tensor.ones([2, 3], { dtype: 'int64' })), 'ERR_DTYPE', /floating/],
    [() => statistics.add('rows' as never), 'ERR_INVALID_ARG', /features/],
    [() => statistics.add({ features: 1 } as never), 'ERR_INVALID_ARG', /Tensor/],
    [() => statistics.merge(rows as never), 'ERR_INVALID_ARG', /FeatureStatistics/],
    [() => statistics.save(''), 'ERR_INVALID_ARG', /path/],
    [() => statistics.save(join(nothing, 'x')), 'ERR_WRITE', /nothing/],
    [() => FeatureStatistics.load(nothing), 'ERR_MODEL_NOT_FOUND', /nothing/],
    [() => metrics.frechetDistance(rows, wide), 'ERR_SHAPE', /width/],
    [() => metrics.frechetDistance(one, rows), 'ERR_INVALID_ARG', /2 rows/],
    [() => metrics.frechetDistance(undefined as never, rows), 'ERR_INVALID_ARG', /Tensor/],
    [() => metrics.kernelDistance(one, rows), 'ERR_INVALID_ARG', /2/],
    [() => metrics.kernelDistance(rows, rows, { subsetSize: 9 }), 'ERR_INVALID_ARG', /subset/],
    [() => metrics.kernelDistance(rows, wide), 'ERR_SHAPE', /width/],
    [() => metrics.precisionRecall(rows, rows, { k: 8 }), 'ERR_INVALID_ARG', /k:/],
    [() => metrics.precisionRecall(rows, rows, { k: 1.5 }), 'ERR_INVALID_ARG', /k/],
    [() => metrics.nearestNeighbours(rows, wide), 'ERR_SHAPE', /width/],
  ];
  for (const [call, code, message] of wrong) await t.rejects(call, { code, message });
  t.throws(() => new FeatureStatistics({ sorce: '' } as never), { code: 'ERR_INVALID_ARG' });
  t.equal(statistics.count, 8);
  statistics.dispose();
  t.ok(statistics.disposed);
  await t.rejects(statistics.add(rows), { code: 'ERR_DISPOSED' });
  await t.rejects(metrics.frechetDistance(statistics, rows), { code: 'ERR_DISPOSED' });
});

t.test('a file of something else is refused', async (t) => {
  const path = join(t.testdir(), 'text.safetensors');
  writeFileSync(path, 'not a file of tensors');
  await t.rejects(FeatureStatistics.load(path), { code: 'ERR_WEIGHTS_CORRUPT' });
});

t.test('signals stop them with their reason', async (t) => {
  const rows = await Tensor.randn([3000, 64]);
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  const statistics = new FeatureStatistics();
  await t.rejects(statistics.add(rows, { signal }), reason);
  t.equal(statistics.count, 0);
  await t.rejects(metrics.frechetDistance(rows, rows, { signal }), reason);
  await t.rejects(FeatureStatistics.load('any', { signal }), reason);
  const measures: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (s) => metrics.precisionRecall(rows, rows, { signal: s }),
    (s) => metrics.kernelDistance(rows, rows, { subsets: 100_000, signal: s }),
  ];
  for (const measure of measures) {
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    await t.rejects(measure(controller.signal), reason);
  }
});

t.test('memory returns to what it was', async (t) => {
  const rows = await Tensor.randn([100, 32]);
  const round = async () => {
    await metrics.frechetDistance(rows, rows);
    await metrics.nearestNeighbours(rows, rows);
    await metrics.calibration([1, 0], [0.5, 0.5]);
  };
  await round();
  const before = nativeMemory();
  for (let i = 0; i < 20; ++i) await round();
  t.equal(nativeMemory().tensors, before.tensors);
});

t.test('statistics say what they hold, and give it back', async (t) => {
  const width = 32;
  const held = (width + width * width) * Float64Array.BYTES_PER_ELEMENT; // mean and scatter
  const path = join(t.testdir(), 'held.safetensors');
  const rows = await Tensor.randn([100, width]);
  const before = nativeMemory().bytes;
  const bytes = () => nativeMemory().bytes - before;
  const statistics = new FeatureStatistics();
  t.equal(bytes(), 0, 'nothing yet');
  await t.rejects(statistics.add(await Tensor.from([Number.NaN], { shape: [1, 1] })));
  await statistics.add(rows);
  t.equal(bytes(), held);
  await statistics.add(rows);
  t.equal(bytes(), held, 'more rows need no more');
  const merged = new FeatureStatistics();
  await merged.merge(new FeatureStatistics());
  t.equal(bytes(), held, 'nothing was merged');
  await merged.merge(statistics);
  t.equal(bytes(), 2 * held);
  await statistics.save(path);
  const loaded = await FeatureStatistics.load(path);
  t.equal(bytes(), 3 * held, 'what is loaded counts once');
  const pending = loaded.add(rows);
  for (const each of [loaded, merged, statistics, statistics]) each.dispose();
  await pending;
  t.equal(bytes(), 0, 'all is given back, also where a call was running');
});

function closeTo(t: Test, actual: number, expected: number, name: string): void {
  t.ok(Math.abs(actual - expected) <= 1e-6 * Math.abs(expected), `${name}: ${actual}, ${expected}`);
}
