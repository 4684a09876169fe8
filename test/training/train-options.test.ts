import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { type TrainOptions, train } from '../../src/index.js';
import { takeRunLock } from '../../src/training/run-lock.js';
import { eightRadiographs } from '../support/radiographs.js';
import { loadTinyPipeline, tinyPipelineFolder } from '../support/tiny-pipeline.js';
import { radiographFolder, readMetrics } from '../support/training-run.js';

const folder = t.testdir();
const good: TrainOptions = {
  pipeline: await tinyPipelineFolder(),
  dataset: await eightRadiographs(),
  output: join(folder, 'run'),
  method: 'lora',
  resolution: 64,
  batchSize: 2,
  maxTrainSteps: 1,
};

const misuses: [name: string, options: Record<string, unknown>, message: RegExp][] = [
  ['a misspelt option', { learningrate: 1 }, /learningrate/],
  ['a method that does not exist', { method: 'dreambooth' }, /method/],
  ['nothing to train', { method: undefined }, /`method`.*`trainable`, `lora` or `tokens`/],
  ['a method and parts', { trainable: ['unet'] }, /`method` or `trainable`, found both/],
  ['LoRA with another method', { method: 'unet', lora: { rank: 2 } }, /`lora`.*"unet"/],
  ['tokens without their method', { tokens: { '<x>': { initializer: 'fluid' } } }, /`tokens`/],
  ['textual inversion without tokens', { method: 'textual-inversion' }, /`tokens`/],
  ['losses of the autoencoder elsewhere', { autoencoder: { parts: 'decoder' } }, /`autoencoder`/],
  [
    'an autoencoder with prompts',
    { method: 'autoencoder', validation: { prompts: ['x'] } },
    /no prompts/,
  ],
  ['neither steps nor epochs', { maxTrainSteps: undefined }, /found neither/],
  ['steps and epochs', { epochs: 1 }, /found both/],
  ['half a step', { maxTrainSteps: 1.5 }, /maxTrainSteps/],
  ['no steps', { maxTrainSteps: 0 }, /maxTrainSteps/],
  ['a learning rate that is no number', { learningRate: Number.NaN }, /learningRate/],
  ['a negative learning rate', { learningRate: -1 }, /learningRate/],
  ['more than every caption dropped', { captionDropout: 1.1 }, /captionDropout/],
  ['a batch of nothing', { batchSize: 0 }, /batchSize/],
  ['a rank of nothing', { lora: { rank: 0 } }, /lora\.rank/],
  ['a seed with a fraction', { seed: 0.5 }, /seed/],
  ['another precision', { precision: 'int8' }, /precision/],
  ['another fit', { resize: 'stretch' }, /resize/],
  ['no prompts to validate with', { validation: { prompts: [] } }, /validation\.prompts/],
  ['an output without a name', { output: '' }, /output/],
  ['no output', { output: undefined }, /output/],
  ['no pipeline', { pipeline: undefined }, /pipeline.*a Pipeline or its folder/],
  ['a model that is no pipeline', { pipeline: { unet: 1 } }, /pipeline/],
  ['no data', { dataset: undefined }, /source|dataset/],
  ['a callback that is none', { onStep: 'print' }, /onStep.*function/],
  ['a signal that is none', { signal: {} }, /signal/],
  ['a process group that is none', { processGroup: {} }, /processGroup.*ProcessGroup/],
  ['a target that no layer has', { lora: { targets: { unet: ['to_z'] } } }, /to_z/],
];

for (const [name, options, message] of misuses) {
  t.test(`${name} is ERR_INVALID_ARG`, async (t) => {
    const output = join(t.testdir(), 'run');
    await t.rejects(train({ ...good, output, ...options } as TrainOptions), {
      code: 'ERR_INVALID_ARG',
      message,
    });
  });
}

t.test('data that cannot be used are ERR_DATASET or name their image', async (t) => {
  const output = join(t.testdir(), 'run');
  await t.rejects(train({ ...good, output, dataset: [] }), { code: 'ERR_DATASET' });
  await t.rejects(train({ ...good, output, dataset: t.testdir() }), { code: 'ERR_DATASET' });
  const broken = join(folder, 'broken.png');
  await writeFile(broken, 'no image');
  const dataset = [{ image: broken, text: 'effusion', id: 'patient 7' }];
  await t.rejects(train({ ...good, output, dataset }), {
    code: 'ERR_IMAGE_DECODE',
    id: 'patient 7',
  });
});

t.test('models that are missing or disposed say so', async (t) => {
  const output = join(t.testdir(), 'run');
  await t.rejects(train({ ...good, output, pipeline: join(folder, 'none') }), {
    code: 'ERR_MODEL_NOT_FOUND',
  });
  const pipeline = await loadTinyPipeline();
  pipeline.dispose();
  await t.rejects(train({ ...good, output, pipeline }), { code: 'ERR_DISPOSED' });
});

t.test(
  'a resolution that the autoencoder cannot halve is an error before the first step',
  async (t) => {
    const output = join(t.testdir(), 'run');
    await t.rejects(train({ ...good, output, resolution: 63 }), {
      code: /ERR_SHAPE|ERR_INVALID_ARG/,
    });
  },
);

t.test('a device is of a folder, and is never replaced by another', async (t) => {
  const run = (name: string, more: object) =>
    train({ ...good, output: join(folder, name), ...more });
  using pipeline = await loadTinyPipeline();
  await t.rejects(run('loaded', { pipeline, device: 'cpu' }), {
    code: 'ERR_INVALID_ARG',
    message: /device: expected none beside a loaded pipeline/,
  });
  for (const fromScratch of [[], ['unet']]) {
    const method = 'unet';
    await t.rejects(run('elsewhere', { device: 'tpu', method, fromScratch }), {
      code: 'ERR_DEVICE_UNAVAILABLE',
    });
  }
  await t.resolves(run('named', { device: 'cpu', dataloaderNumWorkers: 1 }));
  await t.rejects(run('idle', { dataloaderNumWorkers: 0 }), { message: /dataloaderNumWorkers/ });
});

t.test('a part that is not float32 cannot be trained whole', async (t) => {
  using pipeline = await loadTinyPipeline({ dtype: 'bfloat16' });
  const output = join(t.testdir(), 'run');
  await t.rejects(train({ ...good, method: 'unet', output, pipeline }), { code: 'ERR_DTYPE' });
});

t.test('an initializer of several tokens is refused', async (t) => {
  const output = join(t.testdir(), 'run');
  const tokens = { '<x>': { initializer: 'cardiomegaly with effusion' } };
  await t.rejects(train({ ...good, output, method: 'textual-inversion', tokens }), {
    code: 'ERR_INVALID_ARG',
    message: /initializer.*one token/,
  });
});

t.test("a run's folder is not written over, and goes on only as what it was", async (t) => {
  const options = { ...good, output: join(t.testdir(), 'run') };
  await train(options);
  await t.rejects(train(options), { code: 'ERR_INVALID_ARG', message: /holds a run already/ });
  const resumed = { ...options, maxTrainSteps: 2, resume: 'latest' };
  await t.rejects(train({ ...resumed, seed: 9, snrGamma: 5 }), {
    code: 'ERR_INVALID_ARG',
    message: /seed, snrGamma|snrGamma, seed/,
  });
  const others = (await eightRadiographs()).slice(1);
  await t.rejects(train({ ...resumed, dataset: others }), { message: /own data/ });
  await t.rejects(train({ ...resumed, resume: join(options.output, 'nowhere') }), {
    code: 'ERR_MODEL_NOT_FOUND',
  });
  t.match(await train(resumed), { steps: 2, loss: Number });
  t.equal((await readMetrics(options.output)).length, 2);
});

t.test('a rate that decays over the run knows its length', async (t) => {
  for (const lrScheduler of ['linear', 'cosine', 'cosine_with_restarts', 'polynomial'] as const) {
    const options = { ...good, lrScheduler, output: join(t.testdir(), lrScheduler) };
    await train({ ...options, maxTrainSteps: 2 });
    await t.rejects(train({ ...options, maxTrainSteps: 3, resume: 'latest' }), {
      code: 'ERR_INVALID_ARG',
      message: /own maxTrainSteps, found/,
    });
    t.match(await train({ ...options, maxTrainSteps: 2, resume: 'latest' }), { steps: 2 });
  }
  const lrScheduler = 'constant_with_warmup';
  const options = { ...good, lrScheduler, output: join(t.testdir(), lrScheduler) } as const;
  await train({ ...options, maxTrainSteps: 1 });
  t.match(await train({ ...options, maxTrainSteps: 2, resume: 'latest' }), { steps: 2 });
});

t.test('a folder is held by one run at a time', async (t) => {
  const options = { ...good, output: join(t.testdir(), 'run'), resume: 'latest' };
  const lock = join(options.output, 'run.lock');
  const held = { code: 'ERR_INVALID_ARG', argument: 'output', pid: process.pid, path: lock };
  const first = train({
    ...options,
    maxTrainSteps: 2,
    onStep: async ({ step }) => {
      if (step === 1) await t.rejects(train(options), { ...held, message: /in use by process/ });
    },
  });
  t.match(await first, { steps: 2 }, 'the first is not disturbed');
  t.notOk(existsSync(lock));
  await t.rejects(train({ ...options, resume: undefined }), { message: /holds a run already/ });
  t.notOk(existsSync(lock), 'refused, it holds nothing');
});

t.test(
  'a lock is stale where its process is over, and nobody knows of other machines',
  async (t) => {
    const folder = t.testdir();
    const path = join(folder, 'run.lock');
    const own = await takeRunLock(folder);
    const owner = JSON.parse(await readFile(path, 'utf8'));
    await own.release();
    const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
    await once(child, 'exit');
    const stale = [{ ...owner, pid: child.pid }];
    if (owner.started !== null) stale.push({ ...owner, started: '1' }); // a number that came again
    for (const left of stale) {
      await writeFile(path, JSON.stringify(left));
      const both = await Promise.allSettled([takeRunLock(folder), takeRunLock(folder)]);
      t.same(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'], 'one of two');
      t.same(JSON.parse(await readFile(path, 'utf8')), owner);
      t.same(await readdir(folder), ['run.lock']);
    }
    for (const content of [
      JSON.stringify({ ...owner, pid: child.pid, host: 'another' }),
      '',
      '{}',
    ]) {
      await writeFile(path, content);
      await t.rejects(takeRunLock(folder), {
        code: 'ERR_INVALID_ARG',
        message: /in use by .*process.* delete .*run\.lock/,
      });
      t.equal(await readFile(path, 'utf8'), content);
    }
  },
);

t.test('a run that is over says again what it came to', async (t) => {
  const options = { ...good, output: join(t.testdir(), 'run') };
  const first = await train(options);
  t.same(await train({ ...options, resume: 'latest' }), first);
});

t.test('"latest" of a folder without a run begins one', async (t) => {
  const options = { ...good, output: join(t.testdir(), 'run'), resume: 'latest' };
  t.match(await train(options), { steps: 1 });
});

t.test('epochs count images: half an epoch of eight in batches of two is two steps', async (t) => {
  const output = join(t.testdir(), 'run');
  const dataset = await radiographFolder(join(folder, 'data'));
  const options = { ...good, output, dataset, maxTrainSteps: undefined, epochs: 0.5 };
  t.match(await train(options), { steps: 2 });
});

t.test('the projection alone is trained with the pipeline that has one', async (t) => {
  using pipeline = await loadTinyPipeline();
  const output = join(t.testdir(), 'run');
  await t.rejects(train({ ...good, method: 'projection', output, pipeline }), {
    code: 'ERR_INVALID_ARG',
    message: /textProjection/,
  });
});
