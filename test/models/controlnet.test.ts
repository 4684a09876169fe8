import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ControlNet, Tensor, UNet } from '../../src/index.js';
import { committedCase, relativeError, tensor } from '../support/golden.js';
import { recipeFolder } from '../support/recipe.js';

const folder = await recipeFolder('recipe-controlnet');

async function inputs() {
  const reference = await committedCase('recipe-controlnet/forward');
  return {
    reference,
    sample: tensor(reference, 'sample'),
    timestep: Array.from(tensor(reference, 'timestep').data(), Number),
    encoderHiddenStates: tensor(reference, 'encoder_hidden_states'),
    image: tensor(reference, 'controlnet_cond'),
    scale: Number(reference.metadata.conditioning_scale),
  };
}

t.test('a ControlNet’s outputs equal diffusers', async (t) => {
  using controlNet = await ControlNet.load(folder);
  t.match(controlNet, { inChannels: 4, crossAttentionDim: 32, downscale: 8, dtype: 'float32' });
  const { reference, ...given } = await inputs();
  const { down, mid } = await controlNet.forward(given);
  t.equal(down.length, 4);
  for (const [index, residual] of down.entries()) {
    const error = await relativeError(residual, tensor(reference, `down.${index}`));
    t.ok(error <= 1e-5, `down.${index}: ${error}`);
  }
  const error = await relativeError(mid, tensor(reference, 'mid'));
  t.ok(error <= 1e-5, `mid: ${error}`);
});

t.test('its outputs steer a U-Net', async (t) => {
  using controlNet = await ControlNet.load(folder);
  using unet = await UNet.load(join(await recipeFolder('recipe-sd1'), 'unet'));
  const { sample, timestep, encoderHiddenStates, image } = await inputs();
  const seen = { sample, timestep, encoderHiddenStates };
  const alone = await unet.forward(seen);
  const none = await controlNet.forward({ ...seen, image, scale: 0 });
  t.equal(await relativeError(await unet.forward({ ...seen, controlResiduals: none }), alone), 0);
  const some = await controlNet.forward({ ...seen, image });
  const steered = await unet.forward({ ...seen, controlResiduals: some });
  t.ok((await relativeError(steered, alone)) > 1e-3);
  const short = { down: some.down.slice(1), mid: some.mid };
  await t.rejects(unet.forward({ ...seen, controlResiduals: short }), { code: 'ERR_INVALID_ARG' });
  const wrong = { down: some.down, mid: Tensor.zeros([2, 64, 1, 1]) };
  await t.rejects(unet.forward({ ...seen, controlResiduals: wrong }), { code: 'ERR_SHAPE' });
});

t.test('misuse is named', async (t) => {
  const controlNet = await ControlNet.load(folder);
  const { reference, ...given } = await inputs();
  const wrong: [object, { code: string; message?: RegExp }][] = [
    [{ image: Tensor.zeros([2, 3, 32, 32]) }, { code: 'ERR_SHAPE', message: /control image/ }],
    [{ image: Tensor.zeros([2, 1, 32, 64]) }, { code: 'ERR_SHAPE', message: /control image/ }],
    [{ image: undefined }, { code: 'ERR_INVALID_ARG' }],
    [{ sample: Tensor.zeros([2, 5, 4, 8]) }, { code: 'ERR_SHAPE', message: /sample/ }],
    [{ scale: Number.NaN }, { code: 'ERR_INVALID_ARG', message: /scale/ }],
    [{ timestep: 'now' }, { code: 'ERR_INVALID_ARG', message: /timestep/ }],
  ];
  for (const [options, error] of wrong) {
    await t.rejects(controlNet.forward({ ...given, ...options } as never), error);
  }
  const half = await given.image.to({ dtype: 'bfloat16' });
  await t.rejects(controlNet.forward({ ...given, image: half }), { code: 'ERR_DTYPE' });
  const reason = new Error('enough');
  await t.rejects(controlNet.forward(given, { signal: AbortSignal.abort(reason) }), reason);
  controlNet.dispose();
  t.ok(controlNet.disposed);
  await t.rejects(controlNet.forward(given), { code: 'ERR_DISPOSED' });
});

t.test('a config that asks for more than there is, is refused', async (t) => {
  const copy = await mkdtemp(join(tmpdir(), 'latentray-'));
  await cp(folder, copy, { recursive: true });
  const config = JSON.parse(await readFile(join(copy, 'config.json'), 'utf8'));
  for (const change of [
    { global_pool_conditions: true },
    { controlnet_conditioning_channel_order: 'xyz' },
    { mid_block_type: null },
    { conditioning_embedding_out_channels: [] },
    { conditioning_channels: 0 },
    { down_block_types: ['DownBlock3D', 'DownBlock2D'] },
    { addition_embed_type: 'text' },
  ]) {
    await writeFile(join(copy, 'config.json'), JSON.stringify({ ...config, ...change }));
    const [key] = Object.keys(change);
    await t.rejects(ControlNet.load(copy), { code: 'ERR_CONFIG_INVALID', message: String(key) });
  }
  await writeFile(join(copy, 'config.json'), JSON.stringify({ ...config, layers_per_block: 2 }));
  await t.rejects(ControlNet.load(copy), { code: 'ERR_WEIGHTS_MISSING_KEY' });
  await t.rejects(ControlNet.load('/nowhere'), { code: 'ERR_MODEL_NOT_FOUND' });
});
