import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Autoencoder, loadTensors, Tensor, TextEncoder, UNet } from '../../src/index.js';
import { recipeFolder } from '../support/recipe.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

type Config = Record<string, unknown>;

async function configOf(part: string): Promise<Config> {
  return JSON.parse(await readFile(join(await tinyPipelineFolder(), part, 'config.json'), 'utf8'));
}

async function tokenizerFolder(): Promise<string> {
  return join(await tinyPipelineFolder(), 'tokenizer');
}

/** What a model's file holds, name by name. */
async function weightsIn(file: string): Promise<Record<string, unknown>> {
  const { tensors } = await loadTensors(file);
  return Object.fromEntries(Object.entries(tensors).map(([name, each]) => [name, each.data()]));
}

function allFinite(tensor: Tensor): boolean {
  return [...tensor.data()].every((value) => Number.isFinite(value));
}

t.test('a new U-Net computes, and saved and loaded it is the same', async (t) => {
  const config = await configOf('unet');
  using unet = await UNet.create(config, { seed: 3 });
  t.match(unet, { dtype: 'float32', device: 'cpu', inChannels: 4, crossAttentionDim: 32 });
  t.same([unet.weightFiles, unet.config], [[], config]);
  const inputs = {
    sample: await Tensor.randn([2, 4, 16, 16], { seed: 1 }),
    timestep: 500,
    encoderHiddenStates: await Tensor.randn([2, 7, 32], { seed: 2 }),
  };
  const output = await unet.forward(inputs);
  t.ok(allFinite(output));
  t.ok(output.data().some((value) => value !== 0));

  const folder = join(t.testdir(), 'unet');
  await unet.save(folder);
  using loaded = await UNet.load(folder);
  t.same(loaded.config, config);
  t.same((await loaded.forward(inputs)).data(), output.data());
});

t.test('a seed gives the same weights, another gives others', async (t) => {
  const config = await configOf('unet');
  const dir = t.testdir();
  const weights = async (seed: number | bigint) => {
    using unet = await UNet.create(config, { seed });
    const folder = join(dir, String(seed));
    await unet.save(folder);
    return weightsIn(join(folder, 'diffusion_pytorch_model.safetensors'));
  };
  const one = await weights(2n ** 64n - 1n);
  t.same(await weights(2n ** 64n - 1n), one);
  t.notSame((await weights(1))['conv_in.weight'], one['conv_in.weight']);
  using unet = await UNet.create(config);
  await unet.save(join(dir, 'default'));
  const file = join(dir, 'default', 'diffusion_pytorch_model.safetensors');
  t.same(await weightsIn(file), await weights(0), 'the default seed is 0');
});

t.test('new autoencoders', async (t) => {
  const tiny = JSON.parse(
    await readFile(join(await recipeFolder('recipe-taesd'), 'config.json'), 'utf8'),
  );
  for (const config of [await configOf('vae'), tiny]) {
    using autoencoder = await Autoencoder.create(config, { seed: 4 });
    const pixels = await Tensor.randn([1, 3, 32, 32], { seed: 1 });
    const { latents } = await autoencoder.encode(pixels);
    const decoded = await autoencoder.decode(latents);
    t.ok(allFinite(latents) && allFinite(decoded), config._class_name);
    const folder = join(t.testdir(), 'vae');
    await autoencoder.save(folder);
    using loaded = await Autoencoder.load(folder);
    t.same((await loaded.decode(latents)).data(), decoded.data());
  }
});

t.test('new text encoders', async (t) => {
  const clip = { config: await configOf('text_encoder'), tokenizer: await tokenizerFolder() };
  const others = ['recipe-bert', 'recipe-roberta'].map(async (name) => {
    const folder = await recipeFolder(name);
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
    return { config, tokenizer: folder };
  });
  for (const { config, tokenizer } of [clip, ...(await Promise.all(others))]) {
    using encoder = await TextEncoder.create(config, { tokenizer, seed: 5 });
    t.equal(encoder.tokenizerFolder, tokenizer);
    const text = 'no acute findings';
    const { lastHiddenState } = await encoder.encode(text);
    t.ok(allFinite(lastHiddenState), config.model_type);
    const folder = join(t.testdir(), 'text_encoder');
    await encoder.save(folder);
    using loaded = await TextEncoder.load(folder, { tokenizer });
    t.same((await loaded.encode(text)).lastHiddenState.data(), lastHiddenState.data());
  }
});

t.test('what cannot be made is named', async (t) => {
  const config = await configOf('unet');
  const unet = (options: object) => UNet.create(config, options);
  for (const seed of [-1, 1.5, 2 ** 60, 2n ** 64n, '7', Number.NaN]) {
    await t.rejects(unet({ seed }), { code: 'ERR_INVALID_ARG', message: /seed/ }, String(seed));
  }
  await t.rejects(unet({ dtype: 'float16' }), { code: 'ERR_INVALID_ARG', message: /dtype/ });
  await t.rejects(unet({ device: 'tpu' }), { code: 'ERR_DEVICE_UNAVAILABLE' });
  for (const wrong of [undefined, null, 'config.json', [config]]) {
    const create = UNet.create(wrong as unknown as Config);
    await t.rejects(create, { code: 'ERR_INVALID_ARG', message: /config/ }, String(wrong));
  }
  await t.rejects(UNet.create({ ...config, norm_num_groups: 7 }), {
    code: 'ERR_CONFIG_INVALID',
    message: /norm_num_groups/,
  });
  await t.rejects(Autoencoder.create({}), { code: 'ERR_CONFIG_INVALID', message: /_class_name/ });

  const text = await configOf('text_encoder');
  const tokenizer = await tokenizerFolder();
  await t.rejects(TextEncoder.create(text, {} as { tokenizer: string }), {
    code: 'ERR_INVALID_ARG',
    message: /tokenizer/,
  });
  await t.rejects(TextEncoder.create(text, { tokenizer: t.testdir() }), { code: 'ERR_TOKENIZER' });
  const misfits: [Config, RegExp][] = [
    [{ model_type: 't5' }, /model_type/],
    [{ initializer_factor: 0 }, /initializer_factor/],
    [{ hidden_size: 30 }, /num_attention_heads/],
  ];
  for (const [entries, message] of misfits) {
    const create = TextEncoder.create({ ...text, ...entries }, { tokenizer });
    await t.rejects(create, { code: 'ERR_CONFIG_INVALID', message });
  }
});

t.test('an abort stops the drawing', async (t) => {
  const config = { ...(await configOf('unet')), block_out_channels: [1280, 1280] };
  const reason = new Error('changed my mind');
  await t.rejects(UNet.create(config, { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const creating = UNet.create(config, { signal: controller.signal });
  controller.abort(reason);
  await t.rejects(creating, reason);
});
