import { join } from 'node:path';
import t from 'tap';
import { loadTensors, Pipeline, saveTensors, Tensor } from '../../src/index.js';
import { goldenPath, relativeError, tensor, withoutGolden } from '../support/golden.js';
import { loadTinyPipeline, quick } from '../support/tiny-pipeline.js';

const module = 'mid_block.attentions.0.transformer_blocks.0.attn1.to_q';
const textModule = 'text_model.encoder.layers.0.self_attn.q_proj';

const random = (shape: number[], seed: number) => Tensor.randn(shape, { seed });

/** The width of the adapted layers, and matrices for them. */
async function matrices(pipeline: Pipeline) {
  const folder = t.testdir();
  await pipeline.unet.save(folder);
  const file = join(folder, 'diffusion_pytorch_model.safetensors');
  const [width = 0] = (await loadTensors(file)).tensors[`${module}.weight`]?.shape ?? [];
  return {
    down: await random([2, width], 1),
    up: await random([width, 2], 2),
    textDown: await random([2, 32], 3),
    textUp: await random([32, 2], 4),
  };
}

/** The same adapter in each published style of keys. */
async function styles(pipeline: Pipeline): Promise<Record<string, Record<string, Tensor>>> {
  const { down, up, textDown, textUp } = await matrices(pipeline);
  const alpha = Tensor.from([4], { dtype: 'float32', shape: [] });
  const twice = async (up: Tensor) => up.mul(2); // alpha 4 over rank 2
  const flat = (name: string) => name.replaceAll('.', '_');
  return {
    peft: {
      [`unet.${module}.lora_A.weight`]: down,
      [`unet.${module}.lora_B.weight`]: await twice(up),
      [`text_encoder.${textModule}.lora_A.weight`]: textDown,
      [`text_encoder.${textModule}.lora_B.weight`]: await twice(textUp),
    },
    diffusers: {
      [`unet.${module}.lora.down.weight`]: down,
      [`unet.${module}.lora.up.weight`]: await twice(up),
      [`text_encoder.${textModule.replace('text_model.', '')}.lora.down.weight`]: textDown,
      [`text_encoder.${textModule.replace('text_model.', '')}.lora.up.weight`]: await twice(textUp),
    },
    linear: {
      [`unet.${module}.lora.down.weight`]: down,
      [`unet.${module}.lora.up.weight`]: await twice(up),
      [`text_encoder.${textModule}.lora_linear_layer.down.weight`]: textDown,
      [`text_encoder.${textModule}.lora_linear_layer.up.weight`]: await twice(textUp),
    },
    processor: {
      [`unet.${module.replace('to_q', 'processor.to_q_lora')}.down.weight`]: down,
      [`unet.${module.replace('to_q', 'processor.to_q_lora')}.up.weight`]: await twice(up),
      [`text_encoder.${textModule.replace('q_proj', 'to_q_lora')}.down.weight`]: textDown,
      [`text_encoder.${textModule.replace('q_proj', 'to_q_lora')}.up.weight`]: await twice(textUp),
    },
    kohya: {
      [`lora_unet_${flat(module)}.lora_down.weight`]: down,
      [`lora_unet_${flat(module)}.lora_up.weight`]: up,
      [`lora_unet_${flat(module)}.alpha`]: alpha,
      [`lora_te_${flat(textModule)}.lora_down.weight`]: textDown,
      [`lora_te_${flat(textModule)}.lora_up.weight`]: textUp,
      [`lora_te_${flat(textModule)}.alpha`]: alpha,
    },
  };
}

const run = async (pipeline: Pipeline) =>
  (await pipeline.generate({ ...quick, output: 'latents' })).latents;
const same = (a: Tensor, b: Tensor) =>
  Buffer.compare(
    Buffer.from((a.data() as Float32Array).slice().buffer),
    Buffer.from((b.data() as Float32Array).slice().buffer),
  ) === 0;

/** The recorded outputs of the U-Net with an adapter, and what went in. */
async function reference() {
  const expected = await loadTensors(goldenPath('training/lora/golden.safetensors'));
  const inputs = {
    sample: tensor(expected, 'latents'),
    timestep: [...tensor(expected, 'timesteps').data()].map(Number),
    encoderHiddenStates: tensor(expected, 'encoder_hidden_states'),
  };
  return { expected, inputs };
}

t.test('the U-Net with the reference’s adapter', { skip: withoutGolden }, async (t) => {
  using pipeline = await Pipeline.load(goldenPath('tiny-sd1/model'));
  const { expected, inputs } = await reference();
  const check = async (name: string) => {
    const error = await relativeError(await pipeline.unet.forward(inputs), tensor(expected, name));
    t.ok(error <= 1e-5, `${name}: ${error}`);
  };
  await check('output_off');
  const name = await pipeline.loadLora(goldenPath('training/lora'));
  await check('output_scale_1.0');
  await pipeline.setLoraScales({ [name]: 0.7 });
  await check('output_scale_0.7');
  await pipeline.fuseLora();
  await check('output_scale_0.7');
  await pipeline.unfuseLora();
  await pipeline.setLoraScales({});
  await check('output_off');
});

t.test('every published style of keys is the same adapter', async (t) => {
  using pipeline = await loadTinyPipeline();
  const without = await run(pipeline);
  const encode = async () => (await pipeline.textEncoder.encode('a lung')).lastHiddenState;
  const plainText = await encode();
  const folder = t.testdir();
  const results: Tensor[] = [];
  const texts: Tensor[] = [];
  for (const [style, tensors] of Object.entries(await styles(pipeline))) {
    const path = join(folder, `${style}.safetensors`);
    await saveTensors(path, tensors);
    t.equal(await pipeline.loadLora(path), style);
    results.push(await run(pipeline));
    texts.push(await encode());
    await pipeline.unloadLora(style);
  }
  const [first, ...others] = results as [Tensor, ...Tensor[]];
  t.ok((await relativeError(first, without)) > 1e-3, 'the adapter does something');
  for (const other of others) t.ok((await relativeError(other, first)) < 1e-6);
  const [text, ...otherTexts] = texts as [Tensor, ...Tensor[]];
  t.ok((await relativeError(text, plainText)) > 1e-3, 'it reaches the text encoder');
  for (const other of otherTexts) t.ok((await relativeError(other, text)) < 1e-6);
  t.ok(same(await run(pipeline), without), 'unloading leaves nothing');
});

/** The original layout's name of a module of a U-Net with two residual blocks a level. */
function originalName(module: string): string {
  return module
    .replace(/^down_blocks\.(\d)\.attentions\.(\d)/, (_, level, layer) => {
      return `input_blocks.${3 * Number(level) + Number(layer) + 1}.1`;
    })
    .replace(/^up_blocks\.(\d)\.attentions\.(\d)/, (_, level, layer) => {
      return `output_blocks.${3 * Number(level) + Number(layer)}.1`;
    })
    .replace(/^mid_block\.attentions\.0/, 'middle_block.1');
}

t.test('names of the original layout are the same adapter', { skip: withoutGolden }, async (t) => {
  using pipeline = await Pipeline.load(goldenPath('tiny-sd1/model'));
  const { inputs } = await reference();
  await pipeline.loadLora(goldenPath('training/lora'), { name: 'published' });
  const published = await pipeline.unet.forward(inputs);
  await pipeline.unloadLora('published');

  const file = goldenPath('training/lora/pytorch_lora_weights.safetensors');
  const { tensors } = await loadTensors(file);
  const renamed = (rename: (module: string, ending: string) => string) =>
    Object.fromEntries(
      Object.entries(tensors).map(([key, value]) => {
        const [, module = '', ending = ''] =
          /^unet\.(.*)\.lora\.(down|up)\.weight$/.exec(key) ?? [];
        return [rename(originalName(module), ending), value];
      }),
    );
  const styles = {
    kohya: renamed((name, end) => `lora_unet_${name.replaceAll('.', '_')}.lora_${end}.weight`),
    dotted: renamed((name, end) => `diffusion_model.${name}.lora_${end}.weight`),
    whole: renamed((name, end) => `model.diffusion_model.${name}.lora_${end}.weight`),
    diffusers: renamed((name, end) => `unet.${name}.lora.${end}.weight`),
  };
  for (const [style, adapter] of Object.entries(styles)) {
    const path = join(t.testdir(), `${style}.safetensors`);
    await saveTensors(path, adapter);
    await pipeline.loadLora(path);
    t.ok(same(await pipeline.unet.forward(inputs), published), style);
    await pipeline.unloadLora(style);
  }

  const down = 'lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q.lora_down.weight';
  const up = down.replace('down', 'up');
  const [some] = Object.values(tensors) as [Tensor];
  const nowhere = join(t.testdir(), 'nowhere.safetensors');
  await saveTensors(nowhere, { ...styles.kohya, [down]: some, [up]: some }); // a downsampler's place
  await t.rejects(pipeline.loadLora(nowhere), {
    code: 'ERR_WEIGHTS_UNEXPECTED_KEY',
    key: /input_blocks_3_1/,
    message: /input_blocks_3_1/,
  });
  t.same(pipeline.lora, []);
});

t.test('convolutions and time embeddings have original names too', async (t) => {
  using pipeline = await loadTinyPipeline();
  const pairs = [
    ['conv_in', 'input_blocks_0_0'],
    ['conv_out', 'out_2'],
    ['time_embedding.linear_1', 'time_embed_0'],
    ['down_blocks.0.resnets.0.time_emb_proj', 'input_blocks_1_0_emb_layers_1'],
    ['mid_block.resnets.1.conv2', 'middle_block_2_out_layers_3'],
  ];
  await pipeline.unet.save(t.testdir());
  const weights = join(t.testdirName, 'diffusion_pytorch_model.safetensors');
  const { tensors } = await loadTensors(weights);
  const ours: Record<string, Tensor> = {};
  const theirs: Record<string, Tensor> = {};
  for (const [index, [module, original]] of pairs.entries()) {
    const [out = 0, ...inside] = tensors[`${module}.weight`]?.shape ?? [];
    const down = await random([2, ...inside], index);
    const up = await random([out, 2, ...inside.slice(1).map(() => 1)], index + 100);
    ours[`unet.${module}.lora_A.weight`] = down;
    ours[`unet.${module}.lora_B.weight`] = up;
    theirs[`lora_unet_${original}.lora_down.weight`] = down;
    theirs[`lora_unet_${original}.lora_up.weight`] = up;
  }
  const results: Tensor[] = [await run(pipeline)];
  for (const [name, adapter] of Object.entries({ ours, theirs })) {
    const path = join(t.testdirName, `${name}.safetensors`);
    await saveTensors(path, adapter);
    await pipeline.loadLora(path);
    results.push(await run(pipeline));
    await pipeline.unloadLora(name);
  }
  const [without, expected, actual] = results as [Tensor, Tensor, Tensor];
  t.ok((await relativeError(expected, without)) > 1e-3);
  t.ok(same(actual, expected));
});

t.test('several adapters, their scales, fusing and unfusing bit by bit', async (t) => {
  const folder = t.testdir();
  const [a, b] = [join(folder, 'a.safetensors'), join(folder, 'b.safetensors')];
  {
    using plain = await loadTinyPipeline();
    const { peft, kohya } = await styles(plain);
    await saveTensors(a, peft ?? {});
    await saveTensors(b, kohya ?? {});
  }
  using pipeline = await loadTinyPipeline({ lora: [a, { path: b, name: 'second', scale: 0 }] });
  t.same(
    pipeline.lora.map(({ name, scale }) => [name, scale]),
    [
      ['a', 1],
      ['second', 0],
    ],
  );
  const one = await run(pipeline);
  await pipeline.setLoraScales({ a: 0.5, second: 0.5 }); // the same adapter twice, by halves
  t.ok((await relativeError(await run(pipeline), one)) < 1e-5);
  const halves = await run(pipeline);

  await pipeline.fuseLora();
  t.ok((await relativeError(await run(pipeline), halves)) < 1e-5);
  await t.rejects(pipeline.setLoraScales({}), { code: 'ERR_INVALID_ARG', message: /unfuse/ });
  await t.rejects(pipeline.loadLora(a, { name: 'third' }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(pipeline.unloadLora(), { code: 'ERR_INVALID_ARG' });
  await pipeline.unfuseLora();
  t.ok(same(await run(pipeline), halves));

  await pipeline.setLoraScales({});
  using plain = await loadTinyPipeline();
  t.ok(same(await run(pipeline), await run(plain)), 'switched off is bit-equal to never loaded');
});

t.test('images say which adapters made them', async (t) => {
  const path = join(t.testdir(), 'style.safetensors');
  using pipeline = await loadTinyPipeline();
  await saveTensors(path, (await styles(pipeline)).peft ?? {});
  const before = (await pipeline.generate(quick)).images[0]?.provenance;
  await pipeline.loadLora(path, { scale: 0.5 });
  const after = (await pipeline.generate(quick)).images[0]?.provenance;
  t.match(after?.settings, { lora: [{ name: 'style', scale: 0.5 }] });
  t.not(after?.modelDigest, before?.modelDigest);
});

t.test('an adapter’s file is hashed once, as long as it is loaded', async (t) => {
  const path = join(t.testdir(), 'style.safetensors');
  using pipeline = await loadTinyPipeline();
  const { peft = {}, kohya = {} } = await styles(pipeline);
  const plain = await pipeline.digest();
  await saveTensors(path, peft);
  await pipeline.loadLora(path);
  const digest = await pipeline.digest();
  t.not(digest, plain);
  await saveTensors(path, kohya); // changed on disk, not in the loaded model
  await pipeline.setLoraScales({ style: 0.5 });
  t.equal(await pipeline.digest(), digest);
  await pipeline.unloadLora('style');
  t.equal(await pipeline.digest(), plain);
  await pipeline.loadLora(path);
  t.not(await pipeline.digest(), digest, 'a file that is loaded again is read again');
});

t.test('what does not fit is an error, and changes nothing', async (t) => {
  using pipeline = await loadTinyPipeline();
  const without = await run(pipeline);
  const { down, up } = await matrices(pipeline);
  const folder = t.testdir();
  const rejects = async (tensors: Record<string, Tensor>, code: string, key?: string) => {
    const path = join(folder, 'x.safetensors');
    await saveTensors(path, tensors);
    await t.rejects(pipeline.loadLora(path), key ? { code, key } : { code });
  };
  const fits = {
    [`unet.${module}.lora_A.weight`]: down,
    [`unet.${module}.lora_B.weight`]: up,
  };
  await rejects({ ...fits, 'unet.conv_in.other': up }, 'ERR_WEIGHTS_UNEXPECTED_KEY');
  await rejects(
    { ...fits, 'unet.nowhere.lora_A.weight': down, 'unet.nowhere.lora_B.weight': up },
    'ERR_WEIGHTS_UNEXPECTED_KEY',
  );
  const again = `diffusion_model.${originalName(module)}`;
  await rejects(
    { ...fits, [`${again}.lora_down.weight`]: down, [`${again}.lora_up.weight`]: up },
    'ERR_WEIGHTS_UNEXPECTED_KEY',
  );
  await rejects({ [`unet.${module}.lora_A.weight`]: down }, 'ERR_WEIGHTS_MISSING_KEY');
  await rejects(
    { [`unet.${module}.lora_A.weight`]: up, [`unet.${module}.lora_B.weight`]: up },
    'ERR_WEIGHTS_SHAPE',
  );
  await rejects({ [`unet.${module}.dora_scale`]: up }, 'ERR_WEIGHTS_UNEXPECTED_KEY');
  const textOnly = {
    'text_encoder.nowhere.lora_A.weight': down,
    'text_encoder.nowhere.lora_B.weight': up,
  };
  await rejects({ ...fits, ...textOnly }, 'ERR_WEIGHTS_UNEXPECTED_KEY');
  t.same(pipeline.lora, []);
  t.ok(same(await run(pipeline), without));

  const path = join(folder, 'good.safetensors');
  await saveTensors(path, fits);
  await t.rejects(pipeline.loadLora(join(folder, 'nowhere')), { code: 'ERR_MODEL_NOT_FOUND' });
  await t.rejects(pipeline.loadLora(path, { scale: Number.NaN }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(pipeline.setLoraScales({ other: 1 }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(pipeline.unloadLora('other'), { code: 'ERR_INVALID_ARG' });
  await pipeline.loadLora(path);
  await t.rejects(pipeline.loadLora(path), { code: 'ERR_INVALID_ARG', message: /good/ });
  await t.rejects(pipeline.loadLora(path, { name: 'b', signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
  t.equal(pipeline.lora.length, 1);
});
