import t, { type Test } from 'tap';
import {
  type DenoiserBatch,
  DenoiserTrainer,
  type DenoiserTrainerOptions,
  type Pipeline,
  Scheduler,
  Tensor,
} from '../../src/index.js';
import { digest, digestsOf, stateBatch, textBatch } from '../support/denoiser.js';
import { relativeError } from '../support/golden.js';
import { loadTinyPipeline } from '../support/tiny-pipeline.js';

const timesteps = [40, 900];
const numbers = (tensor: Tensor) => [...(tensor.data() as Float32Array)];

function near(t: Test, found: readonly number[], expected: readonly number[], what: string) {
  t.equal(found.length, expected.length, what);
  for (const [i, value] of expected.entries()) {
    const error = Math.abs((found[i] ?? Number.NaN) - value) / Math.abs(value);
    t.ok(error <= 1e-5, `${what}: ${found[i]}, ${value}`);
  }
}

async function lossOf(
  pipeline: Pipeline,
  options: DenoiserTrainerOptions,
  batch: DenoiserBatch,
  { step = 0, scheduler = pipeline.scheduler } = {},
) {
  const { unet } = pipeline;
  using trainer = await DenoiserTrainer.create(
    { unet, scheduler },
    { trainable: ['unet'], ...options },
  );
  return trainer.accumulate(batch, { step });
}

/** The squared error of every number of the prediction, by the pipeline's public parts. */
async function errorsOf(pipeline: Pipeline, scheduler: Scheduler, batch: DenoiserBatch) {
  const noise = batch.noise as Tensor;
  const sample = await scheduler.addNoise(batch.latents, noise, timesteps);
  const encoderHiddenStates = batch.encoderHiddenStates as Tensor;
  const output = await pipeline.unet.forward({ sample, timestep: timesteps, encoderHiddenStates });
  const targets: Record<string, () => Promise<Tensor> | Tensor> = {
    epsilon: () => noise,
    v_prediction: () => scheduler.velocity(batch.latents, noise, timesteps),
    sample: () => batch.latents,
  };
  const target = await (targets[scheduler.config.prediction_type as string] as () => Tensor)();
  const squares = numbers(await output.sub(target)).map((difference) => difference ** 2);
  return [squares.slice(0, squares.length / 2), squares.slice(squares.length / 2)];
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** The signal-to-noise ratio that the schedule has at a timestep: noise alone keeps 1 − ᾱ. */
async function snrAt(scheduler: Scheduler, timestep: number): Promise<number> {
  const [one, zero] = [await Tensor.ones([1]), await Tensor.zeros([1])];
  const [sigma = 0] = numbers(await scheduler.addNoise(zero, one, [timestep]));
  return (1 - sigma ** 2) / sigma ** 2;
}

for (const prediction_type of ['epsilon', 'v_prediction', 'sample']) {
  t.test(`losses, masks and min-SNR weights: ${prediction_type}`, async (t) => {
    using pipeline = await loadTinyPipeline();
    using scheduler = Scheduler.create('ddpm', { ...pipeline.scheduler.config, prediction_type });
    const noise = await Tensor.randn([2, 4, 8, 8], { seed: 77 });
    const batch = { ...(await stateBatch()), noise, timesteps };
    const errors = await errorsOf(pipeline, scheduler, batch);
    const losses = errors.map(mean);
    const [first = 0, second = 0] = losses;
    const loss = (options: object, more: object = {}) =>
      lossOf(pipeline, options, { ...batch, ...more }, { scheduler });

    const plain = await loss({});
    near(t, plain.losses, losses, 'losses');
    near(t, [plain.loss], [mean(losses)], 'their mean');
    t.same(plain.timesteps, timesteps);
    const weighted = await loss({}, { lossWeights: [0.25, 3] });
    near(t, weighted.losses, losses, 'weights are beside them');
    near(t, [weighted.loss], [mean([0.25 * first, 3 * second])], 'weighted');

    const places = Float32Array.from({ length: 128 }, (_, i) => (i % 5 === 0 ? 2 : i % 3 ? 0 : 1));
    const mask = Tensor.from(places, { shape: [2, 1, 8, 8] });
    const masked = errors.map((values, row) => {
      const own = values.map((_, i) => places[row * 64 + (i % 64)] ?? 0);
      const sum = values.reduce((total, value, i) => total + value * (own[i] ?? 0), 0);
      return sum / own.reduce((a, b) => a + b, 0);
    });
    near(t, (await loss({}, { mask })).losses, masked, 'masked');

    const gamma = 5;
    const weights: number[] = [];
    for (const timestep of timesteps) {
      const snr = await snrAt(scheduler, timestep);
      const divisor = { epsilon: snr, v_prediction: snr + 1, sample: 1 }[prediction_type] ?? 0;
      weights.push(Math.min(snr, gamma) / divisor);
    }
    t.notSame(weights, [1, 1]);
    const min = losses.map((value, i) => value * (weights[i] ?? 0));
    // 1 − σ² loses digits where there is little noise.
    const found = (await loss({ snrGamma: gamma })).losses;
    for (const [i, value] of min.entries())
      t.ok(Math.abs((found[i] ?? 0) / value - 1) < 1e-4, `min-SNR: ${found[i]}, ${value}`);
    const prior = await loss({ snrGamma: gamma }, { prior: [true, false] });
    near(t, prior.losses, [first, found[1] ?? 0], 'class images take no weight');
  });
}

t.test('what is drawn follows from seed, step and sample number alone', async (t) => {
  using pipeline = await loadTinyPipeline();
  const { latents, encoderHiddenStates } = await stateBatch();
  const deviation = await Tensor.full([2, 4, 8, 8], 0.5);
  const options = { noiseOffset: 0.3, inputPerturbation: 0.2, seed: 5 };
  const both = { latents, encoderHiddenStates, deviation, sampleNumbers: [9, 4] } as DenoiserBatch;
  const row = async (tensor: Tensor) => tensor.slice(0, 1, 2);
  const second = {
    latents: await row(latents),
    encoderHiddenStates: await row(encoderHiddenStates as Tensor),
    deviation: await row(deviation),
    sampleNumbers: [4],
  };
  const found = await lossOf(pipeline, options, both);
  const alone = await lossOf(pipeline, options, second);
  t.equal(alone.timesteps[0], found.timesteps[1]);
  near(t, alone.losses, [found.losses[1] ?? 0], 'a sample alone, or in a batch');
  t.same(await lossOf(pipeline, options, both), found, 'again');
  for (const [what, changed] of Object.entries({
    seed: await lossOf(pipeline, { ...options, seed: 6 }, both),
    step: await lossOf(pipeline, options, both, { step: 1 }),
  })) {
    t.notSame(changed.timesteps, found.timesteps, what);
    t.notSame(changed.losses, found.losses, what);
  }
  const fixed = { ...both, timesteps };
  const { losses } = await lossOf(pipeline, options, fixed);
  for (const change of [{ noiseOffset: 0 }, { inputPerturbation: 0 }]) {
    t.notSame((await lossOf(pipeline, { ...options, ...change }, fixed)).losses, losses);
  }
  const { deviation: _, ...certain } = fixed;
  t.notSame((await lossOf(pipeline, options, certain)).losses, losses);
});

t.test('timesteps are drawn evenly', async (t) => {
  using pipeline = await loadTinyPipeline();
  const count = 400;
  const { timesteps: drawn } = await lossOf(
    pipeline,
    {},
    {
      latents: await Tensor.zeros([count, 4, 2, 2]),
      encoderHiddenStates: await Tensor.zeros([count, 1, 32]),
      sampleNumbers: Array.from({ length: count }, (_, i) => i),
    },
  );
  t.ok(Math.min(...drawn) < 20 && Math.min(...drawn) >= 0, String(Math.min(...drawn)));
  t.ok(Math.max(...drawn) > 979 && Math.max(...drawn) < 1000, String(Math.max(...drawn)));
  // Five deviations of the mean of 400.
  t.ok(Math.abs(mean(drawn) - 499.5) < 5 * (289 / 20), String(mean(drawn)));
});

t.test('micro batches add up to the whole batch', async (t) => {
  using pipeline = await loadTinyPipeline();
  const [a, b] = [await stateBatch(1), await stateBatch(2)];
  const join = (key: 'latents' | 'encoderHiddenStates') =>
    Tensor.cat([a[key] as Tensor, b[key] as Tensor]);
  const whole = {
    latents: await join('latents'),
    encoderHiddenStates: await join('encoderHiddenStates'),
    sampleNumbers: [...a.sampleNumbers, ...b.sampleNumbers],
  };
  using trainer = await DenoiserTrainer.create(pipeline, { lora: { rank: 2 }, snrGamma: 5 });
  await trainer.accumulate(whole, { step: 3 });
  const expected = await trainer.gradients();
  await trainer.update(0);
  for (const part of [a, b]) await trainer.accumulate(part, { step: 3, microSteps: 2 });
  for (const [name, gradient] of Object.entries(await trainer.gradients())) {
    const reference = expected[name] as Tensor;
    const bothZero = digest(reference.data()) === digest(gradient.data());
    const error = bothZero ? 0 : await relativeError(gradient, reference);
    // float32 kernels sum in another order for another batch size.
    t.ok(error <= 1e-4, `${name}: ${error}`);
  }
});

t.test('gradients are the same where activations are computed again', async (t) => {
  using pipeline = await loadTinyPipeline();
  const lung = pipeline.textEncoder.tokenizer.encode('lung').inputIds[1] as number;
  const options: DenoiserTrainerOptions[] = [
    { trainable: ['unet', 'textEncoder'] },
    { lora: { targets: { unet: ['to_k', 'conv1'] } } },
    { lora: { targets: { unet: false, textEncoder: ['q_proj'] } }, tokens: { lung: [lung] } },
    { trainable: ['unet'], precision: 'bfloat16' },
  ];
  const batch = await textBatch(pipeline);
  for (const each of options) {
    const found: Record<string, Tensor>[] = [];
    for (const gradientCheckpointing of [false, true]) {
      const trainer = await DenoiserTrainer.create(pipeline, { ...each, gradientCheckpointing });
      await trainer.accumulate(batch, { step: 0 });
      found.push(await trainer.gradients());
      trainer.dispose();
    }
    const [kept = {}, again = {}] = found;
    t.not(Object.keys(kept).length, 0);
    t.same(digestsOf(again), digestsOf(kept), JSON.stringify(each));
  }
});
