import { join } from 'node:path';
import t from 'tap';
import { Autoencoder, loadTensors, NoiseSource, Tensor } from '../../src/index.js';
import {
  pipelines,
  relativeError,
  sharedData,
  tensor,
  tinyAutoencoders,
  withoutData,
} from '../support/golden.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

const loadTiny = async () => Autoencoder.load(join(await tinyPipelineFolder(), 'vae'));

for (const model of pipelines) {
  t.test(`${model.name}: AutoencoderKL equals diffusers`, { skip: model.skip }, async (t) => {
    using vae = await Autoencoder.load(join(await model.folder(), 'vae'));
    const expected = await model.case('vae');
    const encoded = await vae.encode(tensor(expected, 'pixels'));
    const sample = await encoded.sample(77);
    if (!encoded.logvar) throw new Error('no logvar');
    const checks: [string, Tensor][] = [
      ['mean', encoded.mean],
      ['logvar', encoded.logvar],
      ['sample_seed77', sample],
      // Of the case's mean, not of ours: one forward, not two.
      ['decoded', await vae.decode(tensor(expected, 'mean'))],
    ];
    for (const [name, actual] of checks) {
      const error = await relativeError(actual, tensor(expected, name));
      t.ok(error <= 1e-5, `${name}: ${error}`);
    }
    t.equal(vae.scalingFactor, 0.18215);
    const scaled = await vae.scale(tensor(expected, 'mean'));
    const decoded = await vae.decodeScaled(scaled);
    const error = await relativeError(decoded, tensor(expected, 'decoded'));
    t.ok(error <= 1e-5, `decodeScaled undoes scale: ${error}`);
  });
}

for (const model of tinyAutoencoders) {
  t.test(`${model.name}: AutoencoderTiny equals diffusers`, { skip: model.skip }, async (t) => {
    using vae = await Autoencoder.load(await model.folder());
    const expected = await model.case('taesd');
    const encoded = await vae.encode(tensor(expected, 'pixels'));
    t.equal(encoded.logvar, undefined);
    const errors = [
      await relativeError(encoded.latents, tensor(expected, 'latents')),
      await relativeError(await vae.decode(encoded.latents), tensor(expected, 'decoded')),
    ];
    t.ok(Math.max(...errors) <= 1e-5, String(errors));
  });
}

t.test('TAEF2 equals its author', { skip: withoutData }, async (t) => {
  const folder = join(sharedData, 'weights/taef2');
  using vae = await Autoencoder.load(folder);
  t.equal(vae.latentChannels, 32);
  const { tensors } = await loadTensors(join(folder, 'golden_fp32_64px_ramp.safetensors'));
  const { input, latent, output } = tensors;
  if (!input || !latent || !output) throw new Error('the case lacks a tensor');
  // TAEF2's own code takes pixels in [0, 1].
  const encoded = await vae.encode(await (await input.mul(2)).sub(1));
  const decoded = await (await (await vae.decode(latent)).add(1)).div(2);
  const errors = [
    await relativeError(encoded.latents, latent),
    await relativeError(decoded, output),
  ];
  t.ok(Math.max(...errors) <= 1e-5, String(errors));
});

t.test('sliced decoding is equal, tiled decoding is near', async (t) => {
  using vae = await loadTiny();
  const latents = await Tensor.randn([2, 4, 24, 24], { seed: 3 });
  const whole = await vae.decode(latents);
  const sliced = await vae.decode(latents, { slicing: true });
  t.ok((await relativeError(sliced, whole)) <= 1e-6);
  const tiled = await vae.decode(latents, { tiling: 128 });
  t.same(tiled.shape, whole.shape);
  const error = await relativeError(tiled, whole);
  t.ok(error > 0 && error < 1, `tiles see less than the whole image: ${error}`);
});

t.test('what does not fit is named', async (t) => {
  using vae = await loadTiny();
  await t.rejects(vae.encode(Tensor.zeros([1, 3, 60, 64])), { code: 'ERR_SHAPE', message: /8/ });
  await t.rejects(vae.encode(Tensor.zeros([1, 1, 64, 64])), { code: 'ERR_SHAPE' });
  await t.rejects(vae.decode(Tensor.zeros([4, 8, 8])), { code: 'ERR_SHAPE' });
  await t.rejects(vae.encode(Tensor.zeros([1, 3, 64, 64], { dtype: 'float64' })), {
    code: 'ERR_DTYPE',
  });
  await t.rejects(vae.decode(Tensor.zeros([1, 4, 8, 8]), { tiling: -1 }), {
    code: 'ERR_INVALID_ARG',
  });
  t.throws(() => new NoiseSource(-1), { code: 'ERR_INVALID_ARG' });
});
