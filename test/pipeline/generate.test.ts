import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  Image,
  nativeMemory,
  Pipeline,
  readProvenance,
  type StepEvent,
  Tensor,
} from '../../src/index.js';
import { relativeError } from '../support/golden.js';
import { loadTinyPipeline, quick, tinyPipelineFolder } from '../support/tiny-pipeline.js';

t.test('images say that they are synthetic and how they were made', async (t) => {
  using pipeline = await loadTinyPipeline();
  const { images, seeds } = await pipeline.generate({ ...quick, negativePrompt: 'blurry' });
  t.same(seeds, [1n]);
  const [image] = images;
  if (!image) throw new Error('no image');
  t.match(image, { width: 64, height: 64, channels: 3 });
  const path = join(mkdtempSync(join(tmpdir(), 'latentray-')), 'image.png');
  await image.save(path);
  t.match(await readProvenance(path), {
    synthetic: true,
    software: /^latentray \d/,
    modelDigest: /^sha256:[0-9a-f]{64}$/,
    prompt: quick.prompt,
    negativePrompt: 'blurry',
    seed: 1n,
    settings: { scheduler: 'PNDMScheduler', steps: 2, guidanceScale: 7.5 },
  });
  t.same((await Image.read(path)).data, image.data);
});

t.test('a batch of seeds is the same images one by one', async (t) => {
  using pipeline = await loadTinyPipeline();
  const options = { ...quick, prompt: ['effusion', 'no finding'], output: 'latents' } as const;
  const { latents } = await pipeline.generate({ ...options, seed: [3, 4] });
  const alone = await pipeline.generate({ ...options, prompt: 'no finding', seed: 4 });
  t.ok((await relativeError(await latents.slice(0, 1, 2), alone.latents)) < 1e-5);
  const { seeds } = await pipeline.generate({ ...options, seed: undefined });
  t.equal(new Set(seeds).size, 2, 'each image has a seed of its own where none is given');
});

t.test('steps are reported, and may be looked at', async (t) => {
  using pipeline = await loadTinyPipeline();
  const events: StepEvent[] = [];
  const stages: string[] = [];
  const { latents } = await pipeline.generate({
    ...quick,
    steps: 3,
    scheduler: 'ddim',
    onStep: async (event) => {
      events.push(event);
      await pipeline.vae.decodeScaled(event.latents);
    },
    onProgress: ({ stage }) => stages.push(stage),
  });
  t.same(
    events.map(({ step, steps }) => [step, steps]),
    [
      [1, 3],
      [2, 3],
      [3, 3],
    ],
  );
  t.ok(events.every(({ timestep }, i) => i === 0 || timestep < (events[i - 1]?.timestep ?? 0)));
  t.same(events.at(-1)?.latents.data(), latents.data());
  t.same([...new Set(stages)], ['encode', 'denoise', 'decode']);
});

t.test('latents and embeddings go in and come out', async (t) => {
  using pipeline = await loadTinyPipeline();
  const { prompt, ...rest } = quick;
  const encoded = await pipeline.textEncoder.encode([prompt, '']);
  const byText = await pipeline.generate(quick);
  const byStates = await pipeline.generate({
    ...rest,
    promptEmbeddings: await encoded.lastHiddenState.slice(0, 0, 1),
    negativePromptEmbeddings: await encoded.lastHiddenState.slice(0, 1, 2),
    latents: await Tensor.randn([1, 4, 8, 8], { seed: 1 }),
  });
  t.ok((await relativeError(byStates.latents, byText.latents)) < 1e-5);
});

t.test('half precision runs', async (t) => {
  for (const dtype of ['bfloat16', 'float16'] as const) {
    using pipeline = await loadTinyPipeline({ dtype });
    const { images, latents } = await pipeline.generate(quick);
    t.equal(latents.dtype, dtype);
    t.equal(images.length, 1);
  }
});

t.test('parts can be replaced', async (t) => {
  const first = await loadTinyPipeline();
  const { textEncoder, unet, vae } = first;
  const second = await loadTinyPipeline({ textEncoder, unet, vae, scheduler: 'euler' });
  t.equal(second.unet, first.unet);
  t.equal(second.scheduler.config._class_name, 'EulerDiscreteScheduler');
  await t.rejects(loadTinyPipeline({ vae: join(await tinyPipelineFolder(), 'unet') }), {
    code: /ERR_(CONFIG|WEIGHTS)/,
  });
  first.dispose();
});

t.test('a pipeline that was disposed of says so', async (t) => {
  const pipeline = await loadTinyPipeline();
  t.equal(pipeline.disposed, false);
  pipeline.dispose();
  pipeline.dispose();
  t.equal(pipeline.disposed, true);
  await t.rejects(pipeline.generate(quick), { code: 'ERR_DISPOSED' });
  const parts = await loadTinyPipeline();
  parts.unet.dispose();
  t.equal(parts.disposed, true, 'a part is enough');
  await t.rejects(parts.generate(quick), { code: 'ERR_DISPOSED' });
  parts.dispose();
});

t.test('V8 is told what a model holds, its reordered weights too', async (t) => {
  const before = nativeMemory().bytes;
  const pipeline = await loadTinyPipeline();
  const loaded = nativeMemory().bytes;
  (await pipeline.generate({ ...quick, output: 'latents' })).latents.dispose();
  const { bytes } = nativeMemory();
  t.ok(bytes > loaded, `${bytes} after the first call, ${loaded} before`);
  (await pipeline.generate({ ...quick, output: 'latents' })).latents.dispose();
  (await pipeline.vae.decode(Tensor.zeros([1, 4, 8, 8]))).dispose();
  pipeline.dispose();
  // Embeddings that the calls made are the collector's.
  t.ok(nativeMemory().bytes < loaded, 'all is given back');
  t.ok(nativeMemory().bytes - before < 1_000_000);
});

t.test('a prompt that was cut is reported', async (t) => {
  using pipeline = await loadTinyPipeline();
  const prompt = `${'effusion '.repeat(80)}pneumothorax`;
  const { truncated } = await pipeline.generate({ ...quick, prompt, output: 'latents' });
  t.match(truncated, [{ prompt, dropped: /pneumothorax/ }]);
});

t.test('misuse is named', async (t) => {
  using pipeline = await loadTinyPipeline();
  const wrong: [object, RegExp][] = [
    [{ prompt: undefined }, /prompt or promptEmbeddings, received neither/],
    [{ prompt: 7 }, /prompt/],
    [{ step: 3 }, /step/],
    [{ steps: 0 }, /steps/],
    [{ steps: 2.5 }, /steps/],
    [{ guidanceScale: Number.NaN }, /guidanceScale/],
    [{ width: 60 }, /width: expected a multiple of 8/],
    [{ seed: -1 }, /seed/],
    [{ seed: [1, 2] }, /one an image/],
    [{ negativePrompt: ['a', 'b'] }, /negativePrompt/],
    [{ output: 'jpeg' }, /output/],
    [{ onStep: 'no' }, /onStep/],
    [{ latents: new Float32Array(4) }, /latents/],
  ];
  for (const [options, message] of wrong) {
    await t.rejects(pipeline.generate({ ...quick, ...options } as never), {
      code: 'ERR_INVALID_ARG',
      message,
    });
  }
  await t.rejects(pipeline.generate({ ...quick, latents: Tensor.zeros([1, 4, 4, 4]) }), {
    code: 'ERR_SHAPE',
    message: /latents/,
  });
  await t.rejects(pipeline.generate({ ...quick, scheduler: 'dpm' }), {
    code: 'ERR_CONFIG_INVALID',
  });
  t.equal((await pipeline.generate(quick)).images.length, 1, 'and it works afterwards');
});

t.test('a folder that is no pipeline says so', async (t) => {
  await t.rejects(Pipeline.load('/nowhere'), {
    code: 'ERR_MODEL_NOT_FOUND',
    message: /model_index/,
  });
  await t.rejects(Pipeline.load(join(await tinyPipelineFolder(), 'unet')), {
    code: 'ERR_MODEL_NOT_FOUND',
  });
  await t.rejects(loadTinyPipeline({ device: 'cuda:42' }), { code: 'ERR_DEVICE_UNAVAILABLE' });
});
