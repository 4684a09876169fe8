import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { imagesToTensorData } from '../../src/image/pixel-layout.js';
import {
  Autoencoder,
  AutoencoderTrainer,
  type AutoencoderTrainerOptions,
  fitImage,
  Image,
  loadTensors,
  measureLatentScale,
  saveTensors,
  Tensor,
} from '../../src/index.js';
import {
  type Case,
  committedCase,
  relativeError,
  scalar,
  sharedData,
  tensor,
  withoutData,
} from '../support/golden.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

const loadTiny = async (options = {}) =>
  Autoencoder.load(join(await tinyPipelineFolder(), 'vae'), options);

/** The tensors of a case under a prefix, without it. */
function part({ tensors }: Case, prefix: string): Record<string, Tensor> {
  const entries = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length), value]));
}

const pixelsOf = async (seed = 1, size = 32, images = 2) =>
  (await (await Tensor.randn([images, 3, size, size], { seed })).mul(0.5)) as Tensor;

/** The first radiographs of a folder as pixels [n, 3, size, size] in [−1, 1]. */
async function radiographs(folder: string, count: number, size: number): Promise<Tensor> {
  const files = (await readdir(folder)).sort().slice(0, count);
  const images = await Promise.all(
    files.map(async (file) => {
      const image = await Image.read(join(folder, file));
      return fitImage(image, { width: size, height: size, fit: 'centre-crop' });
    }),
  );
  const { data, shape } = imagesToTensorData(images);
  return Tensor.from(data, { shape });
}

interface Settings {
  reconstruction: 'l1' | 'l2';
  klWeight: number;
  decoder?: boolean;
  perceptualWeight?: number;
  discriminatorWeight?: number;
}

for (const name of ['plain', 'decoder', 'whole']) {
  t.test(`training ${name} equals PyTorch: losses, gradients, two steps`, async (t) => {
    const expected = await committedCase('autoencoder_training');
    const settings = (JSON.parse(expected.metadata.settings ?? '') as Record<string, Settings>)[
      name
    ];
    const steps = (JSON.parse(expected.metadata.losses ?? '') as Record<string, object[]>)[name];
    if (!settings || !steps) throw new Error('the case lacks a setting');
    const folder = t.testdir();
    const features = join(folder, 'vgg16.safetensors');
    const linear = join(folder, 'lpips.safetensors');
    await saveTensors(features, part(expected, 'vgg.'));
    await saveTensors(linear, part(expected, 'lpips.'));

    using vae = await loadTiny();
    const options: AutoencoderTrainerOptions = {
      parts: settings.decoder ? 'decoder' : 'all',
      reconstruction: settings.reconstruction,
      klWeight: settings.klWeight,
      maxGradNorm: 5,
      ...(settings.perceptualWeight && {
        perceptual: { features, linear, weight: settings.perceptualWeight },
      }),
      ...(settings.discriminatorWeight && {
        discriminator: {
          startStep: 0,
          weight: settings.discriminatorWeight,
          channels: Number(expected.metadata.discriminator_channels),
          layers: 2,
        },
      }),
    };
    using trainer = await AutoencoderTrainer.create(vae, options);
    if (settings.discriminatorWeight) await useDiscriminator(trainer, expected, folder);

    const batch = {
      pixels: tensor(expected, 'pixels'),
      noise: tensor(expected, 'noise'),
      sampleNumbers: [0, 1],
    };
    for (const [step, reference] of steps.entries()) {
      const found: Record<string, unknown> = { ...(await trainer.accumulate(batch, { step })) };
      if (step === 0) {
        const gradients = await trainer.gradients();
        for (const [key, value] of Object.entries(part(expected, `${name}.gradient.`))) {
          const gradient = gradients[key];
          if (!gradient) throw new Error(`no gradient of ${key}`);
          const error = await relativeError(gradient, value);
          // Gradients pass both networks: a tenth of what three training steps are allowed.
          t.ok(error <= 1e-5, `${key}: ${error}`);
        }
        if (settings.decoder)
          t.notOk(gradients['encoder.conv_in.weight'], 'the encoder is left out');
      }
      found.gradientNorm = (await trainer.update(1e-3)).gradientNorm;
      for (const [key, value] of Object.entries(reference)) {
        const error = Math.abs(Number(found[key]) - value) / Math.abs(value);
        t.ok(error <= 1e-4, `step ${step}, ${key}: ${found[key]}, ${value}`);
      }
    }
    const state = join(folder, 'state.safetensors');
    await trainer.saveState(state);
    const after = part(await loadTensors(state), 'model.');
    for (const [key, value] of Object.entries(part(expected, `${name}.after.`))) {
      const error = await relativeError(after[key] ?? (await value.mul(2)), value);
      t.ok(error <= 1e-4, `${key} after two steps: ${error}`);
    }
  });
}

/** Gives the trainer the case's discriminator. */
async function useDiscriminator(trainer: AutoencoderTrainer, from: Case, folder: string) {
  const path = join(folder, 'begin.safetensors');
  await trainer.saveState(path);
  const { tensors } = await loadTensors(path);
  const weights = part(from, 'discriminator.');
  for (const [key, value] of Object.entries(weights)) tensors[`discriminator.${key}`] = value;
  await saveTensors(path, tensors);
  await trainer.loadState(path);
}

t.test('micro batches add up to the whole batch', async (t) => {
  const pixels = await pixelsOf(4, 32, 4);
  const options = { seed: 3, klWeight: 1e-3 };
  const halves = [await pixels.slice(0, 0, 2), await pixels.slice(0, 2, 4)];
  using wholeVae = await loadTiny();
  using halfVae = await loadTiny();
  using whole = await AutoencoderTrainer.create(wholeVae, options);
  using half = await AutoencoderTrainer.create(halfVae, options);
  const one = await whole.accumulate({ pixels, sampleNumbers: [0, 1, 2, 3] }, { step: 7 });
  const both = [];
  for (const [i, part] of halves.entries()) {
    const batch = { pixels: part, sampleNumbers: [2 * i, 2 * i + 1] };
    both.push(await half.accumulate(batch, { step: 7, microSteps: 2 }));
  }
  // A key's bias moves all scores of a row alike: its gradient is rounding alone.
  const isRounding = (name: string) => name.endsWith('to_k.bias');
  t.ok(Math.abs(((both[0]?.loss ?? 0) + (both[1]?.loss ?? 0)) / 2 / one.loss - 1) < 1e-6);
  const [a, b] = [await whole.gradients(), await half.gradients()];
  for (const [name, gradient] of Object.entries(a)) {
    if (isRounding(name)) continue;
    const other = b[name];
    if (!other) throw new Error(name);
    const error = await relativeError(other, gradient);
    // float32 kernels sum in another order for another batch size.
    t.ok(error <= 1e-4, `${name}: ${error}`);
  }
});

const everything: AutoencoderTrainerOptions = {
  seed: 11,
  discriminator: { startStep: 1, channels: 4, layers: 2 },
  ema: { decay: 0.9 },
  maxGradNorm: 10,
};

async function train(trainer: AutoencoderTrainer, from: number, to: number): Promise<number[]> {
  const losses: number[] = [];
  for (let step = from; step < to; step++) {
    const batch = { pixels: await pixelsOf(step), sampleNumbers: [2 * step, 2 * step + 1] };
    losses.push((await trainer.accumulate(batch, { step })).loss);
    await trainer.update(1e-3);
  }
  return losses;
}

t.test('a run that goes on from its state goes on bit for bit', async (t) => {
  const path = join(t.testdir(), 'state.safetensors');
  const end = join(t.testdir(), 'end.safetensors');
  const resumedEnd = join(t.testdir(), 'resumed.safetensors');
  using vae = await loadTiny();
  using trainer = await AutoencoderTrainer.create(vae, everything);
  await train(trainer, 0, 3);
  await trainer.saveState(path);
  const losses = await train(trainer, 3, 6);
  await trainer.saveState(end);

  using fresh = await loadTiny();
  using resumed = await AutoencoderTrainer.create(fresh, everything);
  await resumed.loadState(path);
  t.same(await train(resumed, 3, 6), losses);
  await resumed.saveState(resumedEnd);
  const [a, b] = [await loadTensors(end), await loadTensors(resumedEnd)];
  t.same(b.metadata, a.metadata);
  t.same(Object.keys(b.tensors), Object.keys(a.tensors));
  for (const [name, value] of Object.entries(a.tensors)) {
    t.same(b.tensors[name]?.data(), value.data(), name);
  }
});

t.test('SGD with momentum, and the precisions that are not float32, train too', async (t) => {
  for (const options of [
    { optimizer: { name: 'sgd', momentum: 0.9, weightDecay: 0 }, maxGradNorm: 1 },
    { precision: 'bfloat16' },
    { precision: 'float16' },
  ] as AutoencoderTrainerOptions[]) {
    using vae = await loadTiny();
    using trainer = await AutoencoderTrainer.create(vae, { reconstruction: 'l2', ...options });
    const batch = { pixels: await pixelsOf(), sampleNumbers: [0, 1] };
    const losses: number[] = [];
    // float16 first finds a scale that does not overflow.
    const steps = options.precision === 'float16' ? 30 : 12;
    for (let step = 0; step < steps; step++) {
      losses.push((await trainer.accumulate(batch, { step: 0 })).loss);
      const { skipped, lossScale } = await trainer.update(3e-3);
      if (options.precision === 'float16') t.ok(lossScale >= 1, String(lossScale));
      else t.notOk(skipped);
    }
    const [first = 0, last = 0] = [losses[0], losses.at(-1)];
    t.ok(last < first, `${JSON.stringify(options)}: ${first} to ${last}`);
  }
});

t.test(
  'the decoder alone leaves the latents as they are; the average goes in and out',
  async (t) => {
    using vae = await loadTiny();
    const pixels = await pixelsOf(9);
    const before = await vae.encode(pixels);
    const decodedBefore = await vae.decode(before.mean);
    {
      using trainer = await AutoencoderTrainer.create(vae, {
        parts: 'decoder',
        ema: { decay: 0.5 },
      });
      await train(trainer, 0, 3);
      const own = await vae.decode(before.mean);
      t.ok((await relativeError(own, decodedBefore)) > 1e-3, 'the decoder has changed');
      await trainer.useAverage(true);
      const average = await vae.decode(before.mean);
      t.ok((await relativeError(average, own)) > 1e-6, 'the average is another');
      await t.rejects(trainer.saveState(join(t.testdir(), 'x')), { code: 'ERR_INVALID_ARG' });
      await t.rejects(train(trainer, 3, 4), { code: 'ERR_INVALID_ARG' });
      await trainer.useAverage(false);
      t.equal(await relativeError(await vae.decode(before.mean), own), 0, 'and back');
    }
    t.same((await vae.encode(pixels)).mean.data(), before.mean.data(), 'bit for bit');
  },
);

t.test('the latent scale is measured and saved', async (t) => {
  using vae = await loadTiny();
  const batches = [await pixelsOf(1), await pixelsOf(2)];
  const measured = await measureLatentScale(vae, batches);
  const drawn = [];
  for (const [i, batch] of batches.entries()) {
    const encoded = await vae.encode(batch);
    for (let seed = 0; seed < 200; seed++) drawn.push(await encoded.sample(1000 * i + seed));
  }
  const all = drawn.flatMap((latents) => [...(latents.data() as Float32Array)]);
  const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
  const variance = all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length;
  t.equal(measured.count, 2 * 2 * 4 * 4 * 4);
  t.ok(Math.abs(measured.scale * Math.sqrt(variance) - 1) < 0.02, 'as of drawn latents');
  t.ok(Math.abs(measured.mean - mean) < 0.02 * measured.deviation);

  await vae.setScalingFactor(measured.scale);
  t.equal(vae.scalingFactor, measured.scale);
  const { mean: latents } = await vae.encode(batches[0] as Tensor);
  const scaled = await vae.scale(latents);
  t.ok((await relativeError(scaled, await latents.mul(measured.scale))) < 1e-6);
  const folder = t.testdir();
  await vae.save(folder);
  using again = await Autoencoder.load(folder);
  t.equal(again.scalingFactor, measured.scale);
  await t.rejects(measureLatentScale(vae, []), { code: 'ERR_INVALID_ARG' });
  await t.rejects(measureLatentScale(vae, [await Tensor.zeros([1, 3, 30, 32])]), {
    code: 'ERR_SHAPE',
  });
  await t.rejects(vae.setScalingFactor(0), { code: 'ERR_INVALID_ARG' });
  await t.rejects(vae.setScalingFactor(Number.NaN), { code: 'ERR_INVALID_ARG' });
});

t.test(
  'radiographs: the error falls to a third, and the result reloads',
  { skip: withoutData },
  async (t) => {
    const folder = join(sharedData, 'cxr/ieee8023-ccby');
    const images = await radiographs(folder, 8, 64);
    using vae = await loadTiny();
    using trainer = await AutoencoderTrainer.create(vae, {
      reconstruction: 'l1',
      seed: 5,
      optimizer: { weightDecay: 0 },
      maxGradNorm: 1000,
      ema: { decay: 0.95 },
    });
    const sampleNumbers = [0, 1, 2, 3, 4, 5, 6, 7];
    const steps = 120;
    const errors: number[] = [];
    for (let step = 0; step < steps; step++) {
      const losses = await trainer.accumulate({ pixels: images, sampleNumbers }, { step });
      errors.push(losses.reconstruction);
      await trainer.update(4e-3 * Math.min(1, (steps - step) / 60));
    }
    const [first = 0, last = 0] = [errors[0], errors.at(-1)];
    t.comment(`a pixel's error: ${first} to ${last}`);
    t.ok(last < first / 3, `${first} to ${last}`);
    await trainer.useAverage(true);
    const saved = t.testdir();
    await vae.save(saved);
    using again = await Autoencoder.load(saved);
    const restored = await again.decode((await again.encode(images)).latents);
    const norm = await scalar((await restored.sub(images)).norm());
    const rmse = norm / Math.sqrt(images.shape.reduce((a, b) => a * b));
    t.ok(rmse < first, `root mean square ${rmse}`);
  },
);

t.test('what is wrong is named', async (t) => {
  using vae = await loadTiny();
  const pixels = await pixelsOf();
  const create = (options: object) => AutoencoderTrainer.create(vae, options);
  for (const options of [
    { part: 'all' },
    { parts: 'encoder' },
    { reconstruction: 'mse' },
    { klWeight: -1 },
    { perceptual: { features: 'x' } },
    { discriminator: { layers: 0 } },
    { optimizer: { name: 'adam' } },
    { optimizer: { betas: [1, 0.9] } },
    { maxGradNorm: 0 },
    { ema: { decay: 2 } },
    { precision: 'float64' },
    { seed: -1 },
    { processGroup: {} },
  ]) {
    await t.rejects(create(options), { code: 'ERR_INVALID_ARG' }, JSON.stringify(options));
  }
  await t.rejects(AutoencoderTrainer.create({} as never), { code: 'ERR_INVALID_ARG' });
  await t.rejects(create({ perceptual: { features: '/nowhere', linear: '/nowhere' } }), {
    code: /ERR_MODEL_NOT_FOUND|ERR_WEIGHTS_CORRUPT/,
  });
  const expected = await committedCase('autoencoder_training');
  const [features, linear] = [part(expected, 'vgg.'), part(expected, 'lpips.')];
  const folder = t.testdir();
  const perceptual = { features: join(folder, 'vgg'), linear: join(folder, 'lpips') };
  await saveTensors(perceptual.features, features);
  await saveTensors(perceptual.linear, features);
  await t.rejects(create({ perceptual }), {
    code: 'ERR_WEIGHTS_MISSING_KEY',
    key: 'lin0.model.1.weight',
  });
  const ones = await Tensor.zeros([1, 5, 1, 1]);
  await saveTensors(perceptual.linear, { ...linear, 'lin0.model.1.weight': ones });
  await t.rejects(create({ perceptual }), {
    code: 'ERR_WEIGHTS_SHAPE',
    key: 'lin0.model.1.weight',
  });
  await saveTensors(perceptual.linear, linear);
  using small = await create({ perceptual });
  const tiny = await pixelsOf(1, 8);
  await t.rejects(small.accumulate({ pixels: tiny, sampleNumbers: [0, 1] }, { step: 0 }), {
    code: 'ERR_SHAPE',
    message: /perceptual loss/,
  });

  using half = await loadTiny({ dtype: 'bfloat16' });
  await t.rejects(AutoencoderTrainer.create(half), { code: 'ERR_DTYPE', message: /float32/ });

  using trainer = await create({ discriminator: { startStep: 0, layers: 4, channels: 2 } });
  const sampleNumbers = [0, 1];
  const at = { step: 0 };
  await t.rejects(trainer.update(1e-3), { code: 'ERR_INVALID_ARG' });
  await t.rejects(trainer.accumulate({ pixels, sampleNumbers: [0] }, at), { code: 'ERR_SHAPE' });
  await t.rejects(trainer.accumulate({ pixels, sampleNumbers }, at), {
    code: 'ERR_SHAPE',
    message: /discriminator/,
  });
  const noise = await Tensor.zeros([1, 4, 4, 4]);
  await t.rejects(trainer.accumulate({ pixels, sampleNumbers, noise }, at), { code: 'ERR_SHAPE' });
  await t.rejects(trainer.accumulate({ pixels, sampleNumbers }, { step: -1 }), {
    code: 'ERR_INVALID_ARG',
  });
  await t.rejects(trainer.accumulate({ pixels: {} as never, sampleNumbers }, at), {
    code: 'ERR_INVALID_ARG',
  });
  await t.rejects(trainer.useAverage(true), { code: 'ERR_INVALID_ARG' });
  await t.rejects(trainer.update(Number.NaN), { code: 'ERR_INVALID_ARG' });

  using plain = await create({});
  const invalid = await pixels.mul(Number.NaN);
  await t.rejects(plain.accumulate({ pixels: invalid, sampleNumbers: [40, 41] }, { step: 6 }), {
    code: 'ERR_NON_FINITE',
    step: '6',
    samples: '40, 41',
  });
  const state = join(folder, 'state.safetensors');
  await plain.saveState(state);
  const { tensors } = await loadTensors(state);
  const weight = tensors['model.encoder.conv_in.weight'] as Tensor;
  const last = 'model.quant_conv.weight';
  const wrong = join(folder, 'wrong.safetensors');
  for (const [value, code] of [
    [undefined, 'ERR_WEIGHTS_MISSING_KEY'],
    [pixels, 'ERR_WEIGHTS_SHAPE'],
  ] as const) {
    const others: Record<string, Tensor> = {
      ...tensors,
      'model.encoder.conv_in.weight': await weight.mul(2),
    };
    delete others[last];
    await saveTensors(wrong, value ? { ...others, [last]: value } : others);
    await t.rejects(plain.loadState(wrong), { code, key: last });
  }
  await plain.saveState(state);
  const kept = (await loadTensors(state)).tensors['model.encoder.conv_in.weight'];
  t.same(kept?.data(), weight.data(), 'a state that does not fit changes nothing');
  const aborted = AbortSignal.abort(new Error('enough'));
  await t.rejects(plain.accumulate({ pixels, sampleNumbers }, { ...at, signal: aborted }), {
    message: 'enough',
  });
  plain.dispose();
  plain.dispose();
  t.ok(plain.disposed);
  await t.rejects(plain.accumulate({ pixels, sampleNumbers }, at), { code: 'ERR_DISPOSED' });
  await t.rejects(plain.update(1), { code: 'ERR_DISPOSED' });
  await t.rejects(plain.gradients(), { code: 'ERR_DISPOSED' });
});
