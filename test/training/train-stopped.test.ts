import { chmod, cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { LatentrayError, Pipeline, type TrainOptions, train } from '../../src/index.js';
import { eightRadiographs } from '../support/radiographs.js';
import { freePort } from '../support/ranks.js';
import { loadTinyPipeline, tinyPipelineFolder } from '../support/tiny-pipeline.js';
import {
  checkpointNames,
  loraFile,
  loraRuns,
  outcome,
  radiographFolder,
  reachesStep,
  readMetrics,
  readRunFolder,
  runTraining,
  startTraining,
} from '../support/training-run.js';

const config = await loraRuns(t.testdir(), { maxTrainSteps: 6, checkpointingSteps: 100 });
const whole = config('whole');
t.before(async () => {
  await runTraining(whole);
});

for (const [name, code, words] of [
  ['SIGTERM', 143, 'stopped by SIGTERM'],
  ['SIGINT', 130, 'stopped by Ctrl-C'],
] as const) {
  t.test(`${name} writes a checkpoint, ends with ${code}, and the run goes on`, async (t) => {
    const run = config(name);
    const first = await startTraining({ ...run, maxTrainSteps: 100_000 });
    await reachesStep(first, run.output, 2);
    first.process.kill(name);
    const ended = await first.ended;
    t.match(ended, { code, stdout: '', stderr: `ERR_INTERRUPTED: ${words}\n` });
    const { steps } = await readRunFolder(run.output);
    const [stopped = 0] = steps;
    t.equal((await readMetrics(run.output)).length, stopped, 'of the last step that was done');
    const maxTrainSteps = stopped + 2;
    t.match(await runTraining({ ...run, maxTrainSteps, resume: 'latest' }), { code: 0 });
    const other = config(`${name}-whole`, { maxTrainSteps });
    t.match(await runTraining(other), { code: 0 });
    t.same(await outcome(run.output, loraFile), await outcome(other.output, loraFile));
  });
}

t.test('a full disk is ERR_WRITE; the folder is whole, and the run goes on', async (t) => {
  const run = config('full', { checkpointingSteps: 2 });
  t.match(await runTraining({ ...run, maxTrainSteps: 2 }), { code: 0 });
  const resumed = { ...run, resume: 'latest' };
  const full = await runTraining(resumed, { fileLimit: 32 });
  t.match(full, { code: 1, stdout: '', stderr: /^ERR_WRITE: .*step-00000004.*\n$/m });
  t.same((await readRunFolder(run.output)).steps, [2]);
  t.same(await readdir(join(run.output, 'checkpoints')), ['step-00000002'], 'nothing half written');
  t.match(await runTraining(resumed), { code: 0 });
  t.same(await outcome(run.output, loraFile), await outcome(whole.output, loraFile));
});

/** Runs as a user who may not write everywhere: root may. */
async function asNobody<Result>(work: () => Promise<Result>): Promise<Result> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65534);
  try {
    return await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

t.test('a folder that may not be written to is ERR_WRITE before a step is made', async (t) => {
  const open = await mkdtemp(join(tmpdir(), 'latentray-read-only-'));
  t.teardown(() => rm(open, { recursive: true }));
  await chmod(open, 0o755); // also for nobody
  const model = join(open, 'model');
  await cp(await tinyPipelineFolder(), model, { recursive: true });
  const output = join(open, 'run');
  const data = await radiographFolder(join(open, 'data'));
  const run = config('read-only', { pipeline: model, dataset: data, output });
  t.match(await runTraining({ ...run, maxTrainSteps: 1 }), { code: 0 });
  await chmod(output, 0o555);
  using loaded = await Pipeline.load(model);
  const options: TrainOptions = {
    ...{ ...run, pipeline: loaded },
    onStep: () => t.fail('a step was made'),
  };
  await t.rejects(
    asNobody(() => train({ ...options, resume: 'latest' })),
    { code: 'ERR_WRITE', path: new RegExp(output) },
  );
  await t.rejects(
    asNobody(() => train({ ...options, output: join(output, 'another') })),
    { code: 'ERR_WRITE', path: /another/ },
  );
  await chmod(output, 0o755);
  t.same((await readRunFolder(output)).steps, [1]);
});

t.test(
  'an aborted run rejects with the reason after a checkpoint; resumed it is the same',
  async (t) => {
    using model = await loadTinyPipeline();
    const run = { ...config('aborted'), pipeline: model } satisfies TrainOptions;
    const controller = new AbortController();
    const reason = new Error('enough');
    const stopped = train({
      ...run,
      signal: controller.signal,
      onStep: ({ step }) => step === 3 && controller.abort(reason),
    });
    await t.rejects(stopped, reason);
    t.same(await checkpointNames(run.output), ['step-00000003']);
    using again = await loadTinyPipeline();
    const { steps, loss } = await train({ ...run, pipeline: again, resume: 'latest' });
    t.equal(steps, 6);
    t.equal(loss, (await readMetrics(run.output)).at(-1)?.loss);
    t.same(await outcome(run.output, loraFile), await outcome(whole.output, loraFile));
  },
);

t.test('a signal that is aborted from the start makes no folder', async (t) => {
  const run = config('never');
  await t.rejects(train({ ...run, signal: AbortSignal.abort(new Error('no')) }), { message: 'no' });
  await t.rejects(readdir(run.output), { code: 'ENOENT' });
});

t.test('what a callback throws ends the run; its folder goes on', async (t) => {
  using model = await loadTinyPipeline();
  const run = { ...config('thrown', { checkpointingSteps: 1 }), pipeline: model };
  const problem = new Error('the callback is broken');
  const onStep = ({ step }: { step: number }) => {
    if (step === 2) throw problem;
  };
  await t.rejects(train({ ...run, onStep }), problem);
  t.same((await readRunFolder(run.output)).steps, [1]);
  t.match(await runTraining({ ...config('thrown'), resume: 'latest' }), { code: 0 });
  t.same(await outcome(run.output, loraFile), await outcome(whole.output, loraFile));
});

t.test('a loss that is no number names step and images; the last checkpoint stays', async (t) => {
  using model = await loadTinyPipeline();
  const run = config('nan', { batchSize: 4, learningRate: 1e30, checkpointingSteps: 1 });
  const samples = await eightRadiographs();
  const failing = train({ ...run, pipeline: model, dataset: samples });
  const error: unknown = await failing.catch((caught: unknown) => caught);
  if (!LatentrayError.isInstance(error)) throw error;
  t.match(error, { code: 'ERR_NON_FINITE', step: Number });
  const ids = error.ids as string[];
  t.ok(ids.length >= 1 && ids.every((id) => samples.some((sample) => sample.id === id)), `${ids}`);
  t.match(error.message, ids[0]);
  const { steps } = await readRunFolder(run.output);
  t.same(steps.at(-1), error.step, 'every step before it has its checkpoint');
});

t.test('two processes train as one does, and one goes on from their checkpoint', async (t) => {
  const pair = config('pair', { maxTrainSteps: 2 });
  const port = await freePort();
  const ended = await Promise.all(
    [0, 1].map((rank) =>
      runTraining(
        { ...pair },
        {
          env: {
            RANK: String(rank),
            WORLD_SIZE: '2',
            LOCAL_RANK: String(rank),
            MASTER_ADDR: '127.0.0.1',
            MASTER_PORT: String(port),
          },
        },
      ),
    ),
  );
  t.match(ended[0], { code: 0, stdout: `${join(pair.output, 'result')}\n` });
  t.match(ended[1], { code: 0, stdout: '', stderr: '' });
  const alone = config('alone', { gradientAccumulationSteps: 2, maxTrainSteps: 4 });
  const resumed = { ...alone, output: pair.output, resume: 'latest' };
  t.match(await runTraining(resumed), { code: 0 });
  t.match(await runTraining(alone), { code: 0 });
  const [found, expected] = await Promise.all(
    [pair, alone].map(({ output }) => readMetrics(output)),
  );
  t.equal(found?.length, 4);
  for (const [n, { step, loss }] of (expected ?? []).entries()) {
    t.equal(found?.[n]?.step, step);
    // The means of two processes are added in another order than those of two batches.
    t.ok(Math.abs((found?.[n]?.loss ?? 0) - loss) <= 1e-6 * loss, `step ${step}`);
  }
});
