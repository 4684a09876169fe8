import { join } from 'node:path';
import t from 'tap';
import {
  type DenoiserBatch,
  DenoiserTrainer,
  loadTensors,
  type Pipeline,
  saveTensors,
  Tensor,
  UNet,
} from '../../src/index.js';
import { digests, stateBatch, textBatch, trainSteps } from '../support/denoiser.js';
import { committed, recipeFolder } from '../support/recipe.js';
import { loadTinyPipeline, tinyPipelineFolder } from '../support/tiny-pipeline.js';

const effusion = join(committed, 'recipe-sd1/learned_tokens/effusion.safetensors');
const at = { step: 0 };

t.test('what cannot be trained is named', async (t) => {
  using pipeline = await loadTinyPipeline();
  const { unet, scheduler } = pipeline;
  const refused = async (options: unknown, message: RegExp, models: unknown = pipeline) => {
    const creating = DenoiserTrainer.create(models as Pipeline, options as object);
    await t.rejects(creating, { code: 'ERR_INVALID_ARG', message }, String(message));
  };
  await refused({}, /at least one of trainable, lora and tokens/);
  await refused(undefined, /at least one of/);
  await refused({ trainable: [] }, /at least one of/);
  await refused({ trainable: ['vae'] }, /trainable\.0/);
  await refused({ trainable: 'unet' }, /trainable/);
  await refused({ trainabel: ['unet'] }, /trainabel/);
  await refused({ lora: { rank: 0 } }, /lora\.rank/);
  await refused({ lora: { alpha: Number.NaN } }, /lora\.alpha/);
  await refused({ lora: { targets: { vae: [] } } }, /lora\.targets/);
  await refused({ lora: { targets: { unet: false } } }, /at least one of/);
  await refused({ lora: { targets: { unet: ['to_q', 'to_z'] } } }, /no layer 'to_z'/);
  await refused({ lora: { targets: { unet: ['o_q'] } } }, /no layer 'o_q'/);
  await refused({ lora: {}, trainable: ['unet'] }, /not trained whole/);
  await refused({ tokens: { '': [1] } }, /tokens/);
  await refused({ tokens: { a: [] } }, /tokens\.a/);
  await refused({ tokens: { a: [-1] } }, /tokens\.a/);
  await refused({ tokens: { a: [1e6] } }, /'a': expected ids below \d+.*found 1000000/);
  await refused({ tokens: { a: [7], b: [8, 7] } }, /'b': expected each id once, found 7/);
  await refused({ tokens: { a: [7] }, trainable: ['textEncoder'] }, /not trained whole/);
  await refused({ trainable: ['textProjection'] }, /textProjection: expected one/);
  await refused({ trainable: ['unet'], snrGamma: 0 }, /snrGamma/);
  await refused({ trainable: ['unet'], noiseOffset: -1 }, /noiseOffset/);
  await refused({ trainable: ['unet'], inputPerturbation: Number.NaN }, /inputPerturbation/);
  await refused({ trainable: ['unet'], precision: 'float64' }, /precision/);
  await refused({ trainable: ['unet'], gradientCheckpointing: 1 }, /gradientCheckpointing/);
  await refused({ trainable: ['unet'], seed: -1 }, /seed/);
  await refused({ trainable: ['unet'], processGroup: {} }, /processGroup/);
  await refused({ trainable: ['unet'] }, /unet: expected a UNet/, {});
  await refused({ trainable: ['unet'] }, /unet: expected a UNet/, null);
  await refused({ trainable: ['unet'] }, /scheduler: expected a Scheduler/, { unet });
  await refused({ trainable: ['unet'] }, /textEncoder: expected a T/, {
    ...models(pipeline),
    textEncoder: {},
  });
  await refused({ trainable: ['unet'] }, /textProjection/, {
    ...models(pipeline),
    textProjection: 1,
  });
  await refused({ trainable: ['textEncoder'] }, /textEncoder: expected one/, { unet, scheduler });
  await refused({ tokens: { a: [7] } }, /textEncoder: expected one/, { unet, scheduler });
  using inpainting = await UNet.load(await recipeFolder('recipe-inpaint'));
  await refused({ trainable: ['unet'] }, /as many channels/, { unet: inpainting, scheduler });

  using half = await loadTinyPipeline({ dtype: 'bfloat16' });
  await t.rejects(DenoiserTrainer.create(half, { trainable: ['unet'] }), {
    code: 'ERR_DTYPE',
    message: /unet: expected float32.*bfloat16/,
  });
});

const models = ({ unet, textEncoder, scheduler }: Pipeline) => ({ unet, textEncoder, scheduler });

t.test('one trainer a part; models in training are not changed otherwise', async (t) => {
  using pipeline = await loadTinyPipeline();
  const refused = async (promise: Promise<unknown>, message: RegExp) =>
    t.rejects(promise, { code: 'ERR_INVALID_ARG', message }, String(message));
  const create = (options: Parameters<typeof DenoiserTrainer.create>[1]) =>
    DenoiserTrainer.create(pipeline, options);

  const whole = await create({ trainable: ['unet', 'textEncoder'] });
  await refused(create({ trainable: ['unet'] }), /no other trainer/);
  await refused(pipeline.fuseLora(), /trained/);
  await refused(pipeline.loadTextualInversion(effusion), /not being trained/);
  whole.dispose();

  await pipeline.loadTextualInversion(effusion);
  await refused(create({ trainable: ['textEncoder'] }), /without learned embeddings/);
  const id = pipeline.textEncoder.tokenizer.tokenToId('<effusion>') as number;
  const beside = await create({ lora: {}, tokens: { '<effusion>': [id] } });
  await refused(create({ lora: {} }), /adapter/);
  await refused(create({ tokens: { a: [5] } }), /no other trainer/);
  const path = join(t.testdir(), 'adapter.safetensors');
  await beside.saveLora(path);
  await pipeline.unloadTextualInversion('<effusion>');
  beside.dispose();

  await pipeline.loadLora(path);
  await pipeline.fuseLora();
  await refused(create({ lora: {} }), /Unfuse/);
  await refused(create({ trainable: ['unet'] }), /Unfuse/);
  await pipeline.unfuseLora();
  (await create({ trainable: ['unet'] })).dispose();
});

t.test('a batch that does not fit is named, and adds nothing', async (t) => {
  using pipeline = await loadTinyPipeline();
  using trainer = await DenoiserTrainer.create(pipeline, { trainable: ['unet'] });
  using text = await DenoiserTrainer.create(pipeline, {
    lora: { targets: { unet: false, textEncoder: ['q_proj'] } },
  });
  const batch = await stateBatch();
  const withText = await textBatch(pipeline);
  const zeros = (...shape: number[]) => Tensor.zeros(shape);
  const refused = async (change: object, code: string, message: RegExp, by = trainer) => {
    const promise = by.accumulate({ ...batch, ...change } as DenoiserBatch, at);
    await t.rejects(promise, { code, message }, String(message));
  };
  await refused({ latents: {} }, 'ERR_INVALID_ARG', /latents/);
  await refused({ latent: 1 }, 'ERR_INVALID_ARG', /latent/);
  await refused({ latents: zeros(2, 4, 8) }, 'ERR_SHAPE', /latents: expected \[N, C, h, w\]/);
  await refused({ latents: zeros(0, 4, 8, 8), sampleNumbers: [] }, 'ERR_SHAPE', /at least one/);
  await refused({ latents: zeros(2, 3, 8, 8) }, 'ERR_SHAPE', /expected 4 channels/);
  const double = await batch.latents.to({ dtype: 'float64' });
  await refused({ latents: double }, 'ERR_DTYPE', /latents: expected float32/);
  await refused({ sampleNumbers: [1] }, 'ERR_SHAPE', /sampleNumbers: expected one for each of 2/);
  await refused({ sampleNumbers: [1, -2] }, 'ERR_INVALID_ARG', /sampleNumbers/);
  await refused({ timesteps: [1] }, 'ERR_SHAPE', /timesteps/);
  await refused({ timesteps: [1, 1000] }, 'ERR_INVALID_ARG', /0 to 999, found 1000/);
  await refused({ lossWeights: [1, -1] }, 'ERR_INVALID_ARG', /lossWeights/);
  await refused({ lossWeights: [1] }, 'ERR_SHAPE', /lossWeights/);
  await refused({ prior: [true] }, 'ERR_SHAPE', /prior/);
  await refused({ noise: zeros(2, 4, 8, 4) }, 'ERR_SHAPE', /noise: expected \[2, 4, 8, 8\]/);
  await refused({ deviation: zeros(1, 4, 8, 8) }, 'ERR_SHAPE', /deviation/);
  await refused({ mask: zeros(2, 4, 8, 8) }, 'ERR_SHAPE', /mask: expected \[2, 1, 8, 8\]/);
  await refused({ mask: zeros(2, 1, 8, 8) }, 'ERR_INVALID_ARG', /mask: sample 2/);
  const negative = await Tensor.full([2, 1, 8, 8], -1);
  await refused({ mask: negative }, 'ERR_INVALID_ARG', /weights from 0 on/);
  await refused({ encoderHiddenStates: undefined }, 'ERR_INVALID_ARG', /found neither/);
  await refused({ inputIds: withText.inputIds }, 'ERR_INVALID_ARG', /found both/);
  await refused({ encoderHiddenStates: zeros(3, 7, 32) }, 'ERR_SHAPE', /one row for each of 2/);
  await refused({ encoderHiddenStates: zeros(2, 7, 31) }, 'ERR_SHAPE', /encoder_hidden_states/);
  await refused({ attentionMask: zeros(2, 6) }, 'ERR_SHAPE', /mask/);
  await refused({}, 'ERR_INVALID_ARG', /expected inputIds/, text);
  await t.rejects(trainer.accumulate(batch, { step: -1 }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(trainer.accumulate(batch, { step: 0, microSteps: 0 }), {
    code: 'ERR_INVALID_ARG',
  });
  await t.rejects(trainer.update(1), { code: 'ERR_INVALID_ARG', message: /micro batches/ });
  t.same(await trainer.gradients(), {});
  await trainer.accumulate(batch, at);
  await t.rejects(trainer.accumulate(batch, at), {
    code: 'ERR_INVALID_ARG',
    message: /update\(\)/,
  });
  await t.rejects(trainer.update(Number.NaN), { code: 'ERR_INVALID_ARG' });
  await t.rejects(trainer.useAverage(true), { code: 'ERR_INVALID_ARG' });
  await t.rejects(trainer.saveLora(''), { code: 'ERR_INVALID_ARG' });
  await t.rejects(trainer.saveLora('/tmp/x'), { code: 'ERR_INVALID_ARG', message: /lora/ });
  await t.rejects(text.saveLora('/nowhere/x'), { code: 'ERR_WRITE' });
  t.same(await trainer.learnedTokens(), {});
});

t.test('NaN is named with its step and samples, in every precision', async (t) => {
  for (const precision of ['float32', 'bfloat16', 'float16'] as const) {
    using pipeline = await loadTinyPipeline();
    using trainer = await DenoiserTrainer.create(pipeline, { trainable: ['unet'], precision });
    const batch = await stateBatch();
    const values = (batch.latents.data() as Float32Array).slice();
    values[300] = Number.NaN;
    const latents = Tensor.from(values, { shape: batch.latents.shape });
    const sampleNumbers = [40, 41];
    const invalid = trainer.accumulate({ ...batch, latents, sampleNumbers }, { step: 6 });
    await t.rejects(invalid, { code: 'ERR_NON_FINITE', step: '6', samples: '41' });
    await trainer.accumulate(batch, at);
    await trainer.update(1e-4);
  }
});

t.test('the state of other options is refused, and changes nothing', async (t) => {
  using pipeline = await loadTinyPipeline();
  const options = { lora: { rank: 2 }, ema: {} };
  using trainer = await DenoiserTrainer.create(pipeline, options);
  const folder = t.testdir();
  const [good, wrong, after] = ['good', 'wrong', 'after'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await trainSteps(trainer, [0, 2], async (step) => stateBatch(step));
  await trainer.saveState(good);
  const { tensors, metadata } = await loadTensors(good);
  const last = Object.keys(tensors)
    .filter((name) => name.startsWith('model.'))
    .at(-1) as string;
  const moment = Object.keys(tensors).find((name) =>
    name.startsWith('optimizer.exp_avg.'),
  ) as string;
  const doubled = Object.fromEntries(
    await Promise.all(
      Object.entries(tensors).map(async ([name, value]) => [name, await value.mul(2)] as const),
    ),
  );
  const odd = await Tensor.zeros([3]);
  const without = (name: string) =>
    Object.fromEntries(Object.entries(doubled).filter(([key]) => key !== name));
  for (const [state, given, code] of [
    [without(last), metadata, 'ERR_WEIGHTS_MISSING_KEY'],
    [{ ...doubled, [last]: odd }, metadata, 'ERR_WEIGHTS_SHAPE'],
    [{ ...doubled, [moment]: odd }, metadata, 'ERR_WEIGHTS_SHAPE'],
    [{ ...doubled, 'model.unet.other': odd }, metadata, 'ERR_WEIGHTS_UNEXPECTED_KEY'],
    [doubled, { ...metadata, optimizer: 'sgd' }, 'ERR_WEIGHTS_MISSING_KEY'],
    [doubled, {}, 'ERR_WEIGHTS_MISSING_KEY'],
  ] as const) {
    await saveTensors(wrong, state, { metadata: given });
    await t.rejects(trainer.loadState(wrong), { code }, code);
  }
  await t.rejects(trainer.loadState('/nowhere/x'), { code: /^ERR_/ });
  await trainer.saveState(after);
  t.same(await digests(after), await digests(good));
});

t.test('a disposed trainer says so, and leaves its models to others', async (t) => {
  const unet = await UNet.load(join(await tinyPipelineFolder(), 'unet'));
  using pipeline = await loadTinyPipeline();
  const { scheduler } = pipeline;
  const batch = await stateBatch();
  const trainer = await DenoiserTrainer.create({ unet, scheduler }, { lora: {} });
  const aborted = AbortSignal.abort(new Error('enough'));
  await t.rejects(trainer.accumulate(batch, { ...at, signal: aborted }), { message: 'enough' });
  const running = trainer.accumulate(batch, at);
  trainer.dispose();
  trainer.dispose();
  t.ok(trainer.disposed);
  await running;
  const calls: Promise<unknown>[] = [
    trainer.accumulate(batch, at),
    trainer.update(1),
    trainer.gradients(),
    trainer.learnedTokens(),
    trainer.saveLora('/tmp/x'),
    trainer.saveState('/tmp/x'),
    trainer.loadState('/tmp/x'),
  ];
  for (const call of calls) await t.rejects(call as Promise<void>, { code: 'ERR_DISPOSED' });
  using again = await DenoiserTrainer.create({ unet, scheduler }, { trainable: ['unet'] });
  await again.accumulate(batch, at);
  unet.dispose();
  await again.update(1e-3);
  await t.rejects(DenoiserTrainer.create({ unet, scheduler }, { lora: {} }), {
    code: 'ERR_DISPOSED',
  });
});
