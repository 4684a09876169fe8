import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { Tensor } from '../../src/index.js';
import { loadTinyPipeline, quick } from '../support/tiny-pipeline.js';

t.test('abort before, during and after', async (t) => {
  using pipeline = await loadTinyPipeline();
  const long = { ...quick, steps: 500 };

  const reason = new Error('changed my mind');
  await t.rejects(pipeline.generate({ ...long, signal: AbortSignal.abort(reason) }), reason);

  const controller = new AbortController();
  let steps = 0;
  const running = pipeline.generate({
    ...long,
    signal: controller.signal,
    onProgress: () => steps++,
  });
  await setTimeout(300);
  controller.abort(reason);
  const seen = steps;
  await t.rejects(running, reason);
  t.ok(seen > 0, 'it was running');
  t.ok(steps <= seen + 1, 'it ended within a step');

  const after = new AbortController();
  const { images } = await pipeline.generate({ ...quick, signal: after.signal });
  after.abort();
  t.equal(images.length, 1, 'an abort after the end changes nothing');
});

t.test('a queued job that is aborted never runs', async (t) => {
  const big = Tensor.zeros([3000, 3000]);
  const running = big.matmul(big);
  const controller = new AbortController();
  const queued = big.matmul(big, { signal: controller.signal });
  controller.abort();
  await t.rejects(queued, { name: 'AbortError' });
  await running;
});

t.test('a callback that throws ends the run with its error', async (t) => {
  using pipeline = await loadTinyPipeline();
  const error = new Error('from the callback');
  const failing = () => {
    throw error;
  };
  await t.rejects(pipeline.generate({ ...quick, onStep: failing }), error);
  await t.rejects(pipeline.generate({ ...quick, onStep: async () => failing() }), error);
  await t.rejects(pipeline.generate({ ...quick, onProgress: failing }), error);
  t.equal((await pipeline.generate(quick)).images.length, 1);
});

t.test('a disposed pipeline refuses, and a running one ends first', async (t) => {
  const pipeline = await loadTinyPipeline();
  const inputIds = Tensor.from([49406, 320, 49407], { dtype: 'int64', shape: [1, 3] });
  const running = pipeline.textEncoder.forward({ inputIds });
  pipeline.dispose();
  pipeline.dispose();
  t.same((await running).lastHiddenState.shape, [1, 3, 32], 'a running job keeps its model');
  await t.rejects(pipeline.generate(quick), { code: 'ERR_DISPOSED' });
});

t.test('several pipelines at once', async (t) => {
  const pipelines = await Promise.all([loadTinyPipeline(), loadTinyPipeline()]);
  const order: number[] = [];
  const alone = await pipelines[0].generate(quick);
  const results = await Promise.all(
    pipelines.map((pipeline, i) =>
      pipeline.generate({ ...quick, steps: 2, onStep: () => order.push(i) }),
    ),
  );
  for (const { images } of results) t.same(images[0]?.data, alone.images[0]?.data);
  t.ok(order.indexOf(1) < order.lastIndexOf(0), 'steps take turns');
});
