import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  DenoiserTrainer,
  type DenoiserTrainerOptions,
  loadTensors,
  type Pipeline,
  Tensor,
  TextProjection,
} from '../../src/index.js';
import {
  digest,
  digests,
  savedWeights,
  stateBatch,
  textBatch,
  trainSteps,
} from '../support/denoiser.js';
import { committed } from '../support/recipe.js';
import { loadTinyPipeline, quick } from '../support/tiny-pipeline.js';

const effusion = join(committed, 'recipe-sd1/learned_tokens/effusion.safetensors');

/** The ids of <effusion>, as text inversion trains them. */
async function withToken(pipeline: Pipeline): Promise<{ '<effusion>': number[] }> {
  await pipeline.loadTextualInversion(effusion);
  return { '<effusion>': [pipeline.textEncoder.tokenizer.tokenToId('<effusion>') as number] };
}

/** The digest of what the pipeline makes. */
async function imageOf(pipeline: Pipeline): Promise<string> {
  const [image] = (await pipeline.generate(quick)).images;
  if (!image) throw new Error('no image');
  return digest(Uint8Array.from(image.data));
}

t.test('what is not trained stays as it is, bit for bit', async (t) => {
  using pipeline = await loadTinyPipeline();
  const tokens = await withToken(pipeline);
  const before = await savedWeights(t, pipeline);
  const lora = await DenoiserTrainer.create(pipeline, { lora: {}, tokens });
  const texts = ['an <effusion>', 'a lung'];
  await trainSteps(lora, [0, 3], async (step) => textBatch(pipeline, texts, step));
  t.same(await savedWeights(t, pipeline), before, 'low-rank additions and tokens, in training');
  lora.dispose();
  t.same(await savedWeights(t, pipeline), before, 'and afterwards');

  const unet = await DenoiserTrainer.create(pipeline, { trainable: ['unet'] });
  await trainSteps(unet, [0, 2], async (step) => stateBatch(step));
  unet.dispose();
  const after = await savedWeights(t, pipeline);
  t.same(after.textEncoder, before.textEncoder);
  const changed = Object.keys(after.unet).filter((name) => after.unet[name] !== before.unet[name]);
  t.same(changed.sort(), Object.keys(before.unet).sort(), 'every weight of the U-Net has changed');
});

t.test('one row of the vocabulary is learned, and no other changes', async (t) => {
  using pipeline = await loadTinyPipeline();
  const id = pipeline.textEncoder.tokenizer.encode('lung').inputIds[1] as number;
  const before = await savedTable(t, pipeline);
  const trainer = await DenoiserTrainer.create(pipeline, {
    tokens: { lung: [id] },
    optimizer: { weightDecay: 0.5 },
  });
  await trainSteps(trainer, [0, 3], async () => textBatch(pipeline));
  const learned = (await trainer.learnedTokens()).lung?.data() as Float32Array;
  trainer.dispose();
  const after = await savedTable(t, pipeline);
  const at = id * 32;
  const old = before.slice(at, at + 32);
  t.same(after.slice(at, at + 32), learned, 'the learned row is in the table');
  t.notSame(old, learned);
  after.set(old, at);
  t.equal(digest(after), digest(before), 'but for the row');
});

async function savedTable(t: Test, pipeline: Pipeline): Promise<Float32Array> {
  const folder = t.testdir();
  await pipeline.textEncoder.save(folder);
  const { tensors } = await loadTensors(join(folder, 'model.safetensors'));
  const name = Object.keys(tensors).find((key) => key.endsWith('token_embedding.weight')) ?? '';
  return ((tensors[name] as Tensor).data() as Float32Array).slice();
}

t.test('calls use what is learned; the saved adapter gives the same afterwards', async (t) => {
  using pipeline = await loadTinyPipeline();
  const before = await imageOf(pipeline);
  const trainer = await DenoiserTrainer.create(pipeline, {
    lora: {
      rank: 2,
      alpha: 6,
      targets: { textEncoder: ['q_proj', 'mlp.fc1'], unet: ['to_k', 'conv1'] },
    },
    ema: { decay: 0.5 },
  });
  t.same(await imageOf(pipeline), before, 'it begins with nothing');
  await trainSteps(trainer, [0, 4], async (step) => textBatch(pipeline, undefined, step), 1e-2);
  const trained = await imageOf(pipeline);
  t.notSame(trained, before);
  await trainer.useAverage(true);
  t.notSame(await imageOf(pipeline), trained, 'the average is another');
  await trainer.useAverage(false);
  t.same(await imageOf(pipeline), trained, 'and back');
  const path = join(t.testdir(), 'adapter.safetensors');
  await trainer.saveLora(path);
  trainer.dispose();
  t.same(await imageOf(pipeline), before, 'it is out again');
  await pipeline.loadLora(path);
  t.same(await imageOf(pipeline), trained, 'alpha is in the file too');
  const { tensors, metadata } = await loadTensors(path);
  const names = Object.keys(tensors);
  t.ok(names.some((name) => /^text_encoder\..*mlp\.fc1\.lora_B\.weight$/.test(name)));
  t.ok(names.some((name) => /^unet\..*conv1\.lora\.down\.weight$/.test(name)));
  const settings = JSON.parse(metadata.lora_adapter_metadata ?? '');
  t.match(settings, { 'unet.r': 2, 'unet.lora_alpha': 6, 'text_encoder.lora_alpha': 6 });
});

t.test("a pipeline's own adapters stay beside the one in training", async (t) => {
  using pipeline = await loadTinyPipeline();
  const path = join(t.testdir(), 'first.safetensors');
  const first = await DenoiserTrainer.create(pipeline, { lora: { rank: 1 } });
  await trainSteps(first, [0, 2], async (step) => stateBatch(step), 1e-2);
  await first.saveLora(path);
  first.dispose();

  using trainer = await DenoiserTrainer.create(pipeline, { lora: { rank: 1 } });
  await trainSteps(trainer, [0, 2], async (step) => stateBatch(step), 1e-2);
  const trained = await imageOf(pipeline);
  await pipeline.loadLora(path, { name: 'first' });
  const both = await imageOf(pipeline);
  t.notSame(both, trained);
  await pipeline.setLoraScales({ first: 0 });
  t.same(await imageOf(pipeline), trained, 'scales leave the one in training alone');
  await t.rejects(pipeline.fuseLora(), { code: 'ERR_INVALID_ARG', message: /trained/ });
  await pipeline.unloadLora();
  t.same(await imageOf(pipeline), trained);
});

const everything: DenoiserTrainerOptions = {
  trainable: ['unet'],
  lora: { targets: { unet: false, textEncoder: ['q_proj', 'v_proj'] } },
  ema: { decay: 0.9 },
  snrGamma: 5,
  noiseOffset: 0.1,
  inputPerturbation: 0.1,
  maxGradNorm: 1,
  seed: 11n,
};

t.test('a run that goes on from its state goes on bit for bit', async (t) => {
  const folder = t.testdir();
  const [path, end, resumedEnd] = ['state', 'end', 'resumed'].map((name) =>
    join(folder, `${name}.safetensors`),
  ) as [string, string, string];
  const texts = ['an <effusion>', 'a lung'];
  using pipeline = await loadTinyPipeline();
  const batchOf = async (step: number) => ({
    ...(await textBatch(pipeline, texts, step)),
    deviation: await Tensor.full([2, 4, 8, 8], 0.1),
  });
  using trainer = await DenoiserTrainer.create(pipeline, {
    ...everything,
    tokens: await withToken(pipeline),
  });
  await trainSteps(trainer, [0, 3], batchOf);
  await trainer.saveState(path);
  const losses = await trainSteps(trainer, [3, 6], batchOf);
  await trainer.saveState(end);

  using fresh = await loadTinyPipeline();
  using resumed = await DenoiserTrainer.create(fresh, {
    ...everything,
    tokens: await withToken(fresh),
  });
  await resumed.loadState(path);
  t.same(await trainSteps(resumed, [3, 6], batchOf), losses);
  await resumed.saveState(resumedEnd);
  t.same(await digests(resumedEnd), await digests(end));
  t.same((await loadTensors(resumedEnd)).metadata, (await loadTensors(end)).metadata);
});

t.test('every part, precision and optimizer lowers the loss', async (t) => {
  const cases: [DenoiserTrainerOptions, { dtype?: 'bfloat16' }?][] = [
    [{ trainable: ['textProjection'] }],
    [{ trainable: ['textEncoder', 'textProjection'], precision: 'bfloat16' }],
    [{ trainable: ['unet'], optimizer: { name: 'sgd', momentum: 0.9, weightDecay: 0 } }],
    [{ trainable: ['unet'], precision: 'bfloat16' }],
    [{ trainable: ['unet'], precision: 'float16' }],
    [{ lora: { rank: 8 } }, { dtype: 'bfloat16' }],
    [{ lora: { rank: 8 }, precision: 'bfloat16' }, { dtype: 'bfloat16' }],
  ];
  for (const [options, loading = {}] of cases) {
    using pipeline = await loadTinyPipeline(loading);
    using textProjection = await TextProjection.create({ inFeatures: 32, outFeatures: 32 });
    using trainer = await DenoiserTrainer.create({ ...models(pipeline), textProjection }, options);
    const batch = { ...(await textBatch(pipeline)), timesteps: [500, 800] };
    const losses: number[] = [];
    for (let step = 0; step < (options.precision === 'float16' ? 25 : 10); step++) {
      losses.push((await trainer.accumulate(batch, { step: 0 })).loss);
      const { skipped, lossScale } = await trainer.update(1e-2);
      if (options.precision !== 'float16') t.notOk(skipped);
      t.ok(lossScale >= 1);
    }
    const [first = 0, last = 0] = [losses[0], losses.at(-1)];
    t.ok(last < first, `${JSON.stringify(options)}: ${first} to ${last}`);
  }
});

const models = ({ unet, textEncoder, scheduler }: Pipeline) => ({ unet, textEncoder, scheduler });

t.test('a batch that a signal stops adds nothing', async (t) => {
  using pipeline = await loadTinyPipeline();
  using trainer = await DenoiserTrainer.create(pipeline, { trainable: ['unet'] });
  const position = { step: 0, microSteps: 2 };
  await trainer.accumulate(await stateBatch(1), position);
  const before = await trainer.gradients();
  const batch = await stateBatch(2);
  const controller = new AbortController();
  const stopped = trainer.accumulate(batch, { ...position, signal: controller.signal });
  controller.abort(new Error('enough'));
  await t.rejects(stopped, { message: 'enough' });
  await t.rejects(trainer.update(1), { code: 'ERR_INVALID_ARG' });
  for (const [name, gradient] of Object.entries(await trainer.gradients())) {
    t.equal(digest(gradient.data()), digest((before[name] as Tensor).data()), name);
  }
  await trainer.accumulate(batch, position);
  await trainer.update(1e-3);
});
