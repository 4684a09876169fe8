import { cp, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  Autoencoder,
  convert,
  inspect,
  loadTensors,
  Pipeline,
  saveTensors,
  Tensor,
  TextEncoder,
  UNet,
} from '../../src/index.js';
import { goldenPath, relativeError, withoutGolden } from '../support/golden.js';
import { recipeFolder } from '../support/recipe.js';
import { loadTinyPipeline, quick, tinyPipelineFolder } from '../support/tiny-pipeline.js';

const families = ['recipe-sd1', 'recipe-sd2'];

/** The tensors of two files, bit for bit; with or without transformers' prefix is the same. */
async function sameTensors(t: Test, actual: string, expected: string) {
  const [a, b] = await Promise.all([actual, expected].map(bareTensors));
  t.same(Object.keys(a ?? {}).sort(), Object.keys(b ?? {}).sort());
  for (const [name, value] of Object.entries(a ?? {})) {
    const other = b?.[name];
    if (!other || !sameBytes(value, other)) t.fail(`${name} differs`);
  }
}

async function bareTensors(file: string): Promise<Record<string, Tensor>> {
  const entries = Object.entries((await loadTensors(file)).tensors);
  return Object.fromEntries(
    entries.map(([key, tensor]) => [key.replace(/^text_model\./, ''), tensor]),
  );
}

/** Bit for bit; tap's own comparison takes minutes for a vocabulary. */
function sameBytes(a: Tensor, b: Tensor): boolean {
  const bytes = (tensor: Tensor) => {
    const { buffer, byteOffset, byteLength } = tensor.data();
    return Buffer.from(buffer, byteOffset, byteLength);
  };
  return a.dtype === b.dtype && bytes(a).equals(bytes(b));
}

const weightFiles = [
  'unet/diffusion_pytorch_model.safetensors',
  'vae/diffusion_pytorch_model.safetensors',
  'text_encoder/model.safetensors',
];

for (const family of families) {
  t.test(`${family}: to an original file and back is the same`, async (t) => {
    const folder = await recipeFolder(family);
    const file = join(t.testdir(), 'model.safetensors');
    const back = join(t.testdirName, 'back');
    await convert(folder, file);
    t.equal((await inspect(file)).layout, 'original');
    await convert(file, back, { config: folder });
    for (const name of weightFiles) {
      await sameTensors(t, join(back, name), join(folder, name));
    }
    for (const name of ['model_index.json', 'unet/config.json', 'tokenizer/merges.txt']) {
      t.equal(await readFile(join(back, name), 'utf8'), await readFile(join(folder, name), 'utf8'));
    }
    using pipeline = await Pipeline.load(back);
    t.equal((await pipeline.generate(quick)).images.length, 1);
  });
}

t.test(
  'the reference single file gives the folder’s pipeline',
  { skip: withoutGolden },
  async (t) => {
    const file = goldenPath('formats/tiny-sd1-single-file.safetensors');
    const config = goldenPath('tiny-sd1/model');
    using single = await Pipeline.load(file, { config });
    using folder = await Pipeline.load(config, { dtype: 'float16' });
    const models = [
      ['unet', single.unet, folder.unet],
      ['vae', single.vae, folder.vae],
      ['textEncoder', single.textEncoder, folder.textEncoder],
    ] as const;
    for (const [name, actual, expected] of models) {
      const folder = t.testdir();
      await actual.save(join(folder, 'single'), { dtype: 'float16' });
      await expected.save(join(folder, 'folder'));
      const weights = expected.weightFiles[0]?.split('/').at(-1) ?? '';
      await sameTensors(t, join(folder, 'single', weights), join(folder, 'folder', weights));
      t.comment(name);
    }
  },
);

t.test('a file finds its configs beside it, by its name or in its folder', async (t) => {
  const folder = t.testdir();
  const file = join(folder, 'lungs.safetensors');
  await convert(await tinyPipelineFolder(), file);
  await t.rejects(Pipeline.load(file), { code: 'ERR_MODEL_NOT_FOUND', message: /config/ });
  await cp(await tinyPipelineFolder(), join(folder, 'lungs'), { recursive: true });
  using beside = await Pipeline.load(file);
  t.equal(beside.unet.weightFiles[0], file);
  await rename(join(folder, 'lungs'), join(folder, 'elsewhere'));
  using given = await Pipeline.load(file, { config: join(folder, 'elsewhere') });
  t.equal((await given.generate(quick)).images.length, 1);
});

t.test('single parts come out of an original file', async (t) => {
  const folder = await tinyPipelineFolder();
  const file = join(t.testdir(), 'model.safetensors');
  await convert(folder, file);
  using unet = await UNet.load(file, { config: join(folder, 'unet') });
  using vae = await Autoencoder.load(file, { config: join(folder, 'vae', 'config.json') });
  using text = await TextEncoder.load(file, {
    config: JSON.parse(await readFile(join(folder, 'text_encoder/config.json'), 'utf8')),
    tokenizer: join(folder, 'tokenizer'),
  });
  t.equal(unet.inChannels, 4);
  t.equal(vae.latentChannels, 4);
  t.equal(text.hiddenSize, 32);
});

t.test('the autoencoder alone under its original names', async (t) => {
  const folder = await tinyPipelineFolder();
  const file = join(t.testdir(), 'model.safetensors');
  await convert(folder, file);
  const { tensors } = await loadTensors(file);
  const prefix = 'first_stage_model.';
  const alone: Record<string, Tensor> = {};
  for (const [name, value] of Object.entries(tensors)) {
    if (name.startsWith(prefix)) alone[name.slice(prefix.length)] = value;
  }
  const vaeFile = join(t.testdirName, 'vae-ft-mse.safetensors');
  await saveTensors(vaeFile, alone);
  using vae = await Autoencoder.load(vaeFile, { config: join(folder, 'vae') });
  await vae.save(join(t.testdirName, 'vae'));
  await sameTensors(
    t,
    join(t.testdirName, 'vae/diffusion_pytorch_model.safetensors'),
    join(folder, 'vae/diffusion_pytorch_model.safetensors'),
  );
});

/** The text encoder as Stability's SD 2.x files hold it: OpenCLIP's names, query, key and value in one. */
async function asOpenClip(tensors: Record<string, Tensor>, layers: number) {
  const of = (name: string) => tensors[name] as Tensor;
  const prefix = 'cond_stage_model.model.';
  const made: Record<string, Tensor> = {
    [`${prefix}token_embedding.weight`]: of('embeddings.token_embedding.weight'),
    [`${prefix}positional_embedding`]: of('embeddings.position_embedding.weight'),
    [`${prefix}text_projection`]: Tensor.ones([32, 32]),
    [`${prefix}logit_scale`]: Tensor.ones([1]),
  };
  const modules = [
    ['layer_norm1', 'ln_1'],
    ['layer_norm2', 'ln_2'],
    ['mlp.fc1', 'mlp.c_fc'],
    ['mlp.fc2', 'mlp.c_proj'],
    ['self_attn.out_proj', 'attn.out_proj'],
  ];
  for (const kind of ['weight', 'bias']) {
    made[`${prefix}ln_final.${kind}`] = of(`final_layer_norm.${kind}`);
    // The last block is never read from: here it is the first one again.
    for (let n = 0; n <= layers; n++) {
      const block = `encoder.layers.${n % layers}`;
      const original = `${prefix}transformer.resblocks.${n}`;
      for (const [theirs, name] of modules) {
        made[`${original}.${name}.${kind}`] = of(`${block}.${theirs}.${kind}`);
      }
      const parts = ['q', 'k', 'v'].map((name) => of(`${block}.self_attn.${name}_proj.${kind}`));
      made[`${original}.attn.in_proj_${kind}`] = await Tensor.cat(parts, 0);
    }
  }
  return made;
}

/** A small pipeline of Stable Diffusion 2.x, and the tensors of its single file. */
async function convertedSd2(t: Test) {
  const folder = await recipeFolder('recipe-sd2');
  const own = join(folder, 'text_encoder');
  const { num_hidden_layers: layers } = JSON.parse(
    await readFile(join(own, 'config.json'), 'utf8'),
  );
  const file = join(t.testdir(), 'v2-1.safetensors');
  await convert(folder, file);
  const { tensors } = await loadTensors(file);
  return { folder, own, layers, tensors };
}

t.test('Stable Diffusion 2.x files hold OpenCLIP, whose last block is left out', async (t) => {
  const { folder, own, layers, tensors } = await convertedSd2(t);
  const others = Object.entries(tensors).filter(([name]) => !name.startsWith('cond_stage_model.'));
  const openClip = await asOpenClip(await bareTensors(join(own, 'model.safetensors')), layers);
  const v2 = join(t.testdirName, 'open-clip.safetensors');
  await saveTensors(v2, { ...Object.fromEntries(others), ...openClip });

  using pipeline = await Pipeline.load(v2, { config: folder });
  await pipeline.textEncoder.save(join(t.testdirName, 'saved'));
  const saved = join(t.testdirName, 'saved/model.safetensors');
  await sameTensors(t, saved, join(own, 'model.safetensors'));
});

t.test('Stable Diffusion 2.x is written as OpenCLIP names it', async (t) => {
  const { own, layers, tensors } = await convertedSd2(t);
  const published = await asOpenClip(await bareTensors(join(own, 'model.safetensors')), layers);
  // What diffusers' folder does not hold: the block that nobody reads, the projection, the scale.
  const absent = new RegExp(`resblocks\\.${layers}\\.|text_projection$|logit_scale$`);
  const expected = Object.keys(published).filter((name) => !absent.test(name));
  const written = Object.keys(tensors).filter((name) => name.startsWith('cond_stage_model.'));
  t.same(written.sort(), expected.sort());
  for (const name of written) {
    t.ok(sameBytes(tensors[name] as Tensor, published[name] as Tensor), name);
  }
});

t.test('an OpenCLIP encoder with a projection keeps it, transposed', async (t) => {
  const folder = join(t.testdir(), 'pipeline');
  await cp(await recipeFolder('recipe-sd2'), folder, { recursive: true });
  const weights = join(folder, 'text_encoder/model.safetensors');
  const configFile = join(folder, 'text_encoder/config.json');
  const projection = await Tensor.randn([16, 32], { seed: 1 });
  const { tensors } = await loadTensors(weights);
  const prefixed = Object.entries(tensors).map(([name, value]) => {
    return [name.startsWith('text_model.') ? name : `text_model.${name}`, value];
  });
  const whole = { ...Object.fromEntries(prefixed), 'text_projection.weight': projection };
  const projecting = join(t.testdirName, 'projecting.safetensors');
  await saveTensors(projecting, whole);
  await rename(projecting, weights);
  const config = JSON.parse(await readFile(configFile, 'utf8'));
  config.architectures = ['CLIPTextModelWithProjection'];
  config.projection_dim = 16;
  await writeFile(configFile, JSON.stringify(config));

  const file = join(t.testdirName, 'v2.safetensors');
  await convert(folder, file);
  const written = (await loadTensors(file)).tensors['cond_stage_model.model.text_projection'];
  t.same(written?.shape, [32, 16]);
  const back = join(t.testdirName, 'back');
  await convert(file, back, { config: folder });
  await sameTensors(t, join(back, 'text_encoder/model.safetensors'), weights);
});

t.test('the config says how many of an OpenCLIP file’s blocks are read', async (t) => {
  const folder = await recipeFolder('recipe-sd2');
  const file = join(t.testdir(), 'v2.safetensors');
  await convert(folder, file);
  const config = JSON.parse(await readFile(join(folder, 'text_encoder/config.json'), 'utf8'));
  const load = (layers: number) =>
    TextEncoder.load(file, {
      config: { ...config, num_hidden_layers: layers },
      tokenizer: join(folder, 'tokenizer'),
    });
  using fewer = await load(config.num_hidden_layers - 1);
  t.equal(fewer.hiddenSize, config.hidden_size);
  await t.rejects(load(config.num_hidden_layers + 1), {
    code: 'ERR_WEIGHTS_MISSING_KEY',
    message: /num_hidden_layers/,
  });
});

t.test('no original checkpoint holds a BERT', async (t) => {
  const folder = join(t.testdir(), 'pipeline');
  await cp(await tinyPipelineFolder(), folder, { recursive: true });
  await cp(await recipeFolder('recipe-bert'), join(folder, 'text_encoder'), { recursive: true });
  await t.rejects(convert(folder, join(t.testdirName, 'one.safetensors')), {
    code: 'ERR_CONFIG_INVALID',
    message: /model_type.*bert/,
  });
});

t.test('a written folder names no safety checker, and may be the folder itself', async (t) => {
  const folder = join(t.testdir(), 'own');
  await cp(await tinyPipelineFolder(), folder, { recursive: true });
  const indexFile = join(folder, 'model_index.json');
  const readIndex = async (path: string) =>
    JSON.parse(await readFile(join(path, 'model_index.json'), 'utf8'));
  const checker = ['stable_diffusion', 'StableDiffusionSafetyChecker'];
  const published = { ...(await readIndex(folder)), safety_checker: checker };
  await writeFile(indexFile, JSON.stringify(published));

  const other = join(t.testdirName, 'other');
  await convert(folder, other);
  t.same((await readIndex(other)).safety_checker, [null, null]);
  using pipeline = await Pipeline.load(folder);
  const { latents } = await pipeline.generate(quick);
  await pipeline.save(folder);
  t.same((await readIndex(folder)).safety_checker, [null, null]);
  using again = await Pipeline.load(folder);
  t.ok(sameBytes((await again.generate(quick)).latents, latents));
  await convert(folder, folder);
  using converted = await Pipeline.load(folder);
  t.ok(sameBytes((await converted.generate(quick)).latents, latents));
});

t.test('of two U-Nets in a file one must be chosen', async (t) => {
  const folder = await tinyPipelineFolder();
  const plain = join(t.testdir(), 'plain.safetensors');
  await convert(folder, plain);
  const { tensors } = await loadTensors(plain);
  const prefix = 'model.diffusion_model.';
  const both: Record<string, Tensor> = { ...tensors };
  for (const [name, value] of Object.entries(tensors)) {
    if (!name.startsWith(prefix)) continue;
    const averaged = `diffusion_model.${name.slice(prefix.length)}`.replaceAll('.', '');
    both[`model_ema.${averaged}`] = await value.mul(0.5);
  }
  const file = join(t.testdirName, 'both.safetensors');
  await saveTensors(file, both);

  const load = (ema?: boolean) => UNet.load(file, { config: join(folder, 'unet'), ema });
  await t.rejects(load(), { code: 'ERR_INVALID_ARG', message: /ema: true/ });
  const first = async (unet: UNet) => {
    await unet.save(join(t.testdirName, 'saved'));
    const saved = await loadTensors(
      join(t.testdirName, 'saved/diffusion_pytorch_model.safetensors'),
    );
    unet.dispose();
    return saved.tensors['conv_in.weight'] as Tensor;
  };
  const trained = await first(await load(false));
  const averaged = await first(await load(true));
  t.ok((await relativeError(averaged, await trained.mul(0.5))) === 0);
  await t.rejects(UNet.load(plain, { config: join(folder, 'unet'), ema: true }), {
    code: 'ERR_INVALID_ARG',
    message: /no moving average/,
  });
  await t.rejects(UNet.load(join(folder, 'unet'), { ema: true }), { code: 'ERR_INVALID_ARG' });
});

t.test('variants are read when asked for, and named when they are all there is', async (t) => {
  const folder = join(t.testdir(), 'unet');
  await mkdir(folder);
  const source = join(await tinyPipelineFolder(), 'unet');
  await cp(join(source, 'config.json'), join(folder, 'config.json'));
  const half = join(folder, 'diffusion_pytorch_model.fp16.safetensors');
  await convert(join(source, 'diffusion_pytorch_model.safetensors'), half, { dtype: 'float16' });
  t.equal((await inspect(half)).tensors[0]?.dtype, 'float16');
  await t.rejects(UNet.load(folder), {
    code: 'ERR_MODEL_NOT_FOUND',
    message: /variant: 'fp16'/,
  });
  using unet = await UNet.load(folder, { variant: 'fp16' });
  t.equal(unet.weightFiles[0], half);
  t.equal(unet.dtype, 'float32');
});

/** A model's weights as two half precision shards, as diffusers and transformers write the fp16 variant. */
async function shardedVariant(from: string, to: string, stem: string) {
  await mkdir(to);
  await cp(join(from, 'config.json'), join(to, 'config.json'));
  const { tensors } = await loadTensors(join(from, `${stem}.safetensors`));
  const shards: [Record<string, Tensor>, Record<string, Tensor>] = [{}, {}];
  const map: Record<string, string> = {};
  const fileOf = (shard: number) => `${stem}.fp16-0000${shard + 1}-of-00002.safetensors`;
  for (const [index, [name, value]] of Object.entries(tensors).entries()) {
    const shard = index % 2 === 0 ? 0 : 1;
    shards[shard][name] = await value.to({ dtype: 'float16' });
    map[name] = fileOf(shard);
  }
  for (const shard of [0, 1] as const) await saveTensors(join(to, fileOf(shard)), shards[shard]);
  const index = { metadata: { total_size: 1 }, weight_map: map };
  await writeFile(join(to, `${stem}.safetensors.index.fp16.json`), JSON.stringify(index));
  return { expected: tensors, files: [join(to, fileOf(0)), join(to, fileOf(1))] };
}

t.test('a variant in shards is read when asked for', async (t) => {
  const source = await tinyPipelineFolder();
  const models = [
    ['unet', 'diffusion_pytorch_model', UNet],
    ['text_encoder', 'model', TextEncoder],
  ] as const;
  for (const [part, stem, Model] of models) {
    const folder = join(t.testdir(), part);
    const { expected, files } = await shardedVariant(join(source, part), folder, stem);
    const tokenizer = Model === TextEncoder && { tokenizer: join(source, 'tokenizer') };
    const load = (from: string, variant?: string): Promise<UNet | TextEncoder> =>
      Model.load(from, { ...tokenizer, variant });
    using model = await load(folder, 'fp16');
    t.same([...model.weightFiles].sort(), files);
    await model.save(join(t.testdirName, 'saved'));
    const saved = await loadTensors(join(t.testdirName, 'saved', `${stem}.safetensors`));
    t.same(Object.keys(saved.tensors).sort(), Object.keys(expected).sort());
    for (const [name, value] of Object.entries(expected)) {
      const rounded = await (await value.to({ dtype: 'float16' })).to({ dtype: 'float32' });
      if (!sameBytes(saved.tensors[name] as Tensor, rounded)) t.fail(`${part}: ${name} differs`);
    }
    await t.rejects(load(folder), {
      code: 'ERR_MODEL_NOT_FOUND',
      message: /There are variants: variant: 'fp16'/,
    });
    await t.rejects(load(folder, 'bf16'), {
      code: 'ERR_MODEL_NOT_FOUND',
      message: /bf16.*variant: 'fp16'/,
    });
    await t.rejects(load(join(source, part), 'fp16'), {
      code: 'ERR_MODEL_NOT_FOUND',
      message: /fp16/,
    });
  }
});

t.test('a saved pipeline is the same pipeline', async (t) => {
  for (const family of families) {
    const folder = await recipeFolder(family);
    const saved = join(t.testdir(), family);
    using pipeline = await Pipeline.load(folder);
    await pipeline.save(saved);
    for (const name of weightFiles) await sameTensors(t, join(saved, name), join(folder, name));
    const configs = ['unet', 'vae', 'text_encoder'].map((name) => `${name}/config.json`);
    for (const name of [...configs, 'scheduler/scheduler_config.json', 'model_index.json']) {
      const read = (path: string) => readFile(join(path, name), 'utf8');
      t.equal(await read(saved), await read(folder), name);
    }
    using again = await Pipeline.load(saved);
    const [one, other] = [await pipeline.generate(quick), await again.generate(quick)];
    t.same(one.latents.data(), other.latents.data());
  }
});

t.test(
  'configs are written byte for byte as diffusers and transformers wrote them',
  { skip: withoutGolden },
  async (t) => {
    const texts = async (folder: string, files: readonly string[]) =>
      Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
    const configs = ['unet', 'vae', 'text_encoder'].map((name) => `${name}/config.json`);
    const files = [...configs, 'scheduler/scheduler_config.json', 'model_index.json'];
    for (const family of ['tiny-sd1', 'tiny-sd2']) {
      const folder = goldenPath(`${family}/model`);
      const saved = join(t.testdir(), family);
      using pipeline = await Pipeline.load(folder);
      await pipeline.save(saved);
      t.same(await texts(saved, files), await texts(folder, files), family);
    }
    for (const [name, model] of [
      ['tiny-bert', TextEncoder],
      ['tiny-taesd', Autoencoder],
    ] as const) {
      const folder = goldenPath(`${name}/model`);
      const saved = join(t.testdir(), name);
      using loaded = await model.load(folder);
      await loaded.save(saved);
      t.same(await texts(saved, ['config.json']), await texts(folder, ['config.json']), name);
    }
  },
);

t.test('the floats of a config keep their point on every way to a file', async (t) => {
  const folder = await tinyPipelineFolder();
  const dir = t.testdir();
  const text = await readFile(join(folder, 'text_encoder', 'config.json'), 'utf8');
  t.match(text, '"initializer_factor": 1.0,');
  t.match(text, '"attention_dropout": 0.0,');
  const config = (name: string) => readFile(join(dir, name, 'config.json'), 'utf8');
  const tokenizer = join(folder, 'tokenizer');

  using encoder = await TextEncoder.load(join(folder, 'text_encoder'));
  await encoder.save(join(dir, 'half'), { dtype: 'bfloat16' });
  t.equal(await config('half'), text.replace('"float32"', '"bfloat16"'));

  using given = await TextEncoder.load(join(folder, 'text_encoder', 'model.safetensors'), {
    config: encoder.config,
    tokenizer,
  });
  await given.save(join(dir, 'given'));
  t.equal(await config('given'), text);

  using made = await TextEncoder.create(encoder.config, { tokenizer });
  await made.save(join(dir, 'made'));
  t.equal(await config('made'), text);

  using typed = await TextEncoder.create(JSON.parse(text), { tokenizer });
  await typed.save(join(dir, 'typed'));
  t.match(await config('typed'), '"initializer_factor": 1.0,', 'what transformers insists on');

  const vaeText = await readFile(join(folder, 'vae', 'config.json'), 'utf8');
  using vae = await Autoencoder.load(join(folder, 'vae'));
  await vae.setScalingFactor(0.25);
  await vae.save(join(dir, 'vae'));
  t.equal(await config('vae'), vaeText.replace('0.18215', '0.25'));

  await convert(folder, join(dir, 'converted'));
  for (const part of ['text_encoder', 'unet', 'vae']) {
    const from = await readFile(join(folder, part, 'config.json'), 'utf8');
    t.equal(await config(join('converted', part)), from);
  }
});

t.test('a pipeline can be saved in another dtype, and with another scheduler', async (t) => {
  using pipeline = await loadTinyPipeline({ scheduler: 'euler' });
  const saved = join(t.testdir(), 'half');
  await pipeline.save(saved, { dtype: 'float16' });
  const { tensors } = await inspect(saved);
  t.ok(tensors.every(({ dtype }) => dtype === 'float16'));
  const index = JSON.parse(await readFile(join(saved, 'model_index.json'), 'utf8'));
  t.same(index.scheduler, ['diffusers', 'EulerDiscreteScheduler']);
  using again = await Pipeline.load(saved);
  t.equal(again.scheduler.config._class_name, 'EulerDiscreteScheduler');
});

t.test('impossible conversions are named', async (t) => {
  const folder = await tinyPipelineFolder();
  const out = join(t.testdir(), 'out');
  await t.rejects(convert(join(folder, 'unet'), out), { code: 'ERR_MODEL_NOT_FOUND' });
  await t.rejects(convert(folder, out, { dtype: 'int8' } as never), { code: 'ERR_INVALID_ARG' });
  await t.rejects(convert(folder, out, { formt: 1 } as never), { code: 'ERR_INVALID_ARG' });
  await t.rejects(convert(join(folder, 'nowhere'), out), { code: 'ERR_MODEL_NOT_FOUND' });
  await t.rejects(inspect(join(folder, 'nowhere')), { code: 'ERR_MODEL_NOT_FOUND' });
  await t.rejects(inspect(3 as never), { code: 'ERR_INVALID_ARG' });
  await t.rejects(inspect(folder, { signal: AbortSignal.abort() }), { name: 'AbortError' });
});
