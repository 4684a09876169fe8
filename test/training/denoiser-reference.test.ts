import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  DenoiserTrainer,
  type DenoiserTrainerOptions,
  loadTensors,
  Pipeline,
  saveTensors,
  Tensor,
} from '../../src/index.js';
import {
  type Case,
  committedCase,
  goldenPath,
  relativeError,
  tensor,
  withoutGolden,
} from '../support/golden.js';
import { recipeFolder } from '../support/recipe.js';

const skip = withoutGolden;

const numbersOf = (from: Case, name: string) => JSON.parse(from.metadata[name] ?? '') as number[];
const training = (name: string): Promise<Case> =>
  loadTensors(goldenPath(`training/${name}.safetensors`));

/** The tensors of a case under a prefix, without it. */
function part({ tensors }: Case, prefix: string): Record<string, Tensor> {
  const entries = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length), value]));
}

/** What every step of a case is trained on. */
function batchOf(from: Case) {
  const timesteps = [...(tensor(from, 'timesteps').data() as BigInt64Array)].map(Number);
  return {
    latents: tensor(from, 'latents'),
    noise: tensor(from, 'noise'),
    timesteps,
    sampleNumbers: timesteps.map((_, i) => i),
  };
}

function near(t: Test, found: number, expected: number, what: string) {
  const error = Math.abs(found - expected) / Math.abs(expected);
  t.ok(error <= 1e-4, `${what}: ${found}, ${expected}`);
}

/** Three steps of training stay within a relative error of 1e-4. */
async function nearTensors(
  t: Test,
  found: Record<string, Tensor>,
  expected: Record<string, Tensor>,
  what: string,
) {
  t.not(Object.keys(expected).length, 0, what);
  for (const [name, value] of Object.entries(expected)) {
    const own = found[name];
    if (!own) throw new Error(`${what}: no ${name}`);
    const error = await relativeError(own, value);
    t.ok(error <= 1e-4, `${what} ${name}: ${error}`);
  }
}

/** The weights that a trainer changes, as its state has them. */
async function weightsOf(t: Test, trainer: DenoiserTrainer, prefix = 'model.') {
  const path = join(t.testdir(), 'weights.safetensors');
  await trainer.saveState(path);
  return part(await loadTensors(path), prefix);
}

for (const family of ['sd1', 'sd2']) {
  for (const loss of ['mse', 'min_snr']) {
    t.test(`a whole U-Net equals PyTorch: ${family}, ${loss}`, { skip }, async (t) => {
      const expected = await training(`unet_${family}_${loss}`);
      using pipeline = await Pipeline.load(goldenPath(`tiny-${family}/model`));
      using trainer = await DenoiserTrainer.create(pipeline, {
        trainable: ['unet'],
        maxGradNorm: 1,
        ema: { decay: 0.99 },
        ...(loss === 'min_snr' && { snrGamma: 5 }),
      });
      const batch = {
        ...batchOf(expected),
        encoderHiddenStates: tensor(expected, 'encoder_hidden_states'),
      };
      const norms = numbersOf(expected, 'grad_norms');
      for (const [step, value] of numbersOf(expected, 'losses').entries()) {
        const { loss } = await trainer.accumulate(batch, { step });
        near(t, loss, value, `loss of step ${step}`);
        if (step === 0) {
          // The case has them after clipping.
          const scale = Math.min(1, 1 / (norms[0] ?? 0));
          const clipped: Record<string, Tensor> = {};
          for (const [name, gradient] of Object.entries(await trainer.gradients())) {
            clipped[name.replace('unet.', '')] = await gradient.mul(scale);
          }
          await nearTensors(t, clipped, part(expected, 'grad.'), 'gradient');
        }
        const { gradientNorm } = await trainer.update(1e-3);
        near(t, gradientNorm, norms[step] ?? 0, `gradient norm of step ${step}`);
      }
      const after = await weightsOf(t, trainer, 'model.unet.');
      await nearTensors(t, after, part(expected, 'after.'), 'after');
      const average = await weightsOf(t, trainer, 'ema.unet.');
      await nearTensors(t, average, part(expected, 'ema.'), 'average');
    });
  }
}

t.test('a text encoder equals PyTorch', { skip }, async (t) => {
  const expected = await training('text_encoder');
  using pipeline = await Pipeline.load(goldenPath('tiny-sd1/model'));
  using trainer = await DenoiserTrainer.create(pipeline, { trainable: ['textEncoder'] });
  const batch = { ...batchOf(expected), inputIds: tensor(expected, 'input_ids') };
  for (const [step, value] of numbersOf(expected, 'losses').entries()) {
    near(t, (await trainer.accumulate(batch, { step })).loss, value, `loss of step ${step}`);
    await trainer.update(1e-4);
  }
  const after = await weightsOf(t, trainer, 'model.text_encoder.text_model.encoder.');
  await nearTensors(t, after, part(expected, 'after.'), 'after');
});

t.test('textual inversion equals PyTorch; no other row changes', { skip }, async (t) => {
  const expected = await training('textual_inversion');
  const { placeholder = '', placeholder_id: id } = expected.metadata;
  using pipeline = await Pipeline.load(goldenPath('tiny-sd1/model'));
  const initial = join(t.testdir(), 'initial.safetensors');
  await saveTensors(initial, { [placeholder]: tensor(expected, 'init_embedding') });
  await pipeline.loadTextualInversion(initial);
  const { textEncoder } = pipeline;
  t.equal(textEncoder.tokenizer.tokenToId(placeholder), Number(id));
  const others = Tensor.from(BigInt64Array.of(0n, 1n, 320n, 16717n, 49407n), { shape: [1, 5] });
  const before = await textEncoder.forward({ inputIds: others });
  {
    using trainer = await DenoiserTrainer.create(pipeline, {
      tokens: { [placeholder]: [Number(id)] },
    });
    const batch = { ...batchOf(expected), inputIds: tensor(expected, 'input_ids') };
    for (const [step, value] of numbersOf(expected, 'losses').entries()) {
      near(t, (await trainer.accumulate(batch, { step })).loss, value, `loss of step ${step}`);
      await trainer.update(5e-3);
    }
    const learned = (await trainer.learnedTokens())[placeholder];
    const reference = await tensor(expected, 'learned_embedding').reshape([1, -1]);
    if (!learned) throw new Error('no token');
    const error = await relativeError(learned, reference);
    t.ok(error <= 1e-4, `the learned row: ${error}`);
    const inTraining = await textEncoder.forward({ inputIds: batch.inputIds });
    trainer.dispose();
    const afterwards = await textEncoder.forward({ inputIds: batch.inputIds });
    t.same(afterwards.lastHiddenState.data(), inTraining.lastHiddenState.data());
  }
  const after = await textEncoder.forward({ inputIds: others });
  t.same(after.lastHiddenState.data(), before.lastHiddenState.data(), 'bit for bit');
});

t.test('LoRA equals peft: factors, files, outputs at every scale', { skip }, async (t) => {
  const expected = await training('lora/golden');
  const initial = await training('lora/initial');
  const published = await training('lora/pytorch_lora_weights');
  using pipeline = await Pipeline.load(goldenPath('tiny-sd1/model'));
  const { unet } = pipeline;
  const states = tensor(expected, 'encoder_hidden_states');
  const batch = { ...batchOf(expected), encoderHiddenStates: states };
  const inputs = {
    sample: batch.latents,
    timestep: batch.timesteps,
    encoderHiddenStates: states,
  };
  const off = await unet.forward(inputs);
  t.ok((await relativeError(off, tensor(expected, 'output_off'))) <= 1e-5);

  const trainer = await DenoiserTrainer.create(pipeline, { lora: { rank: 4 }, maxGradNorm: 1 });
  t.same((await unet.forward(inputs)).data(), off.data(), 'it begins with nothing');
  await beginWith(t, trainer, initial);
  for (const [step, value] of numbersOf(expected, 'losses').entries()) {
    near(t, (await trainer.accumulate(batch, { step })).loss, value, `loss of step ${step}`);
    await trainer.update(1e-2);
  }
  const file = join(t.testdir(), 'pytorch_lora_weights.safetensors');
  await trainer.saveLora(file);
  const saved = await loadTensors(file);
  t.same(Object.keys(saved.tensors).sort(), Object.keys(published.tensors).sort());
  // As one vector: AdamW's first steps divide a gradient by its own size, so that single factors whose gradients
  // are rounding alone go anywhere.
  const error = await relativeError(await joined(saved), await joined(published));
  t.ok(error <= 1e-4, `factors: ${error}`);
  t.equal(saved.metadata.format, 'pt');
  const trained = await unet.forward(inputs);
  t.ok((await relativeError(trained, tensor(expected, 'output_scale_1.0'))) <= 1e-4, 'trained');

  trainer.dispose();
  t.same((await unet.forward(inputs)).data(), off.data(), 'the adapter is out again');
  await pipeline.loadLora(file, { name: 'trained' });
  t.same((await unet.forward(inputs)).data(), trained.data(), 'the file gives the same');
  await pipeline.setLoraScales({ trained: 0.7 });
  const weaker = await unet.forward(inputs);
  t.ok((await relativeError(weaker, tensor(expected, 'output_scale_0.7'))) <= 1e-4, 'at 0.7');
  await pipeline.setLoraScales({ trained: 1 });
  await pipeline.fuseLora();
  const merged = await unet.forward(inputs);
  t.ok((await relativeError(merged, trained)) <= 1e-5, 'merged equals applied');
});

/** All tensors in a row, by name. */
async function joined({ tensors }: Case): Promise<Tensor> {
  const sorted = Object.entries(tensors).sort(([a], [b]) => (a < b ? -1 : 1));
  return Tensor.cat(await Promise.all(sorted.map(([, value]) => value.reshape([-1]))));
}

/** Gives a new adapter the factors of a file without "unet." before its keys. */
async function beginWith(t: Test, trainer: DenoiserTrainer, { tensors }: Case) {
  const path = join(t.testdir(), 'begin.safetensors');
  await trainer.saveState(path);
  const state = await loadTensors(path);
  for (const [name, value] of Object.entries(tensors)) {
    const key = `model.unet.${name}`;
    if (!state.tensors[key]) throw new Error(`the adapter has no ${name}`);
    state.tensors[key] = value;
  }
  await saveTensors(path, state.tensors, { metadata: state.metadata });
  await trainer.loadState(path);
}

interface Settings {
  family: string;
  learningRate: number;
  snrGamma?: number;
  id?: number;
  rank?: number;
  alpha?: number;
  targets?: string[];
}

function trainerOptions(name: string, settings: Settings): DenoiserTrainerOptions {
  const { rank, alpha, targets, id, snrGamma } = settings;
  const common = { maxGradNorm: 1, ema: { decay: 0.9 }, ...(snrGamma && { snrGamma }) };
  if (rank && alpha && targets)
    return { ...common, lora: { rank, alpha, targets: { unet: targets } } };
  if (id) return { ...common, tokens: { word: [id] } };
  return { ...common, trainable: [name === 'text_encoder' ? 'textEncoder' : 'unet'] };
}

/** As the case names what it has of a trainer's. */
function caseNames(tensors: Record<string, Tensor>): Record<string, Tensor> {
  const entries = Object.entries(tensors).map(([name, value]) => [
    name
      .replace(/^(unet|text_encoder\.text_model)\./, '')
      .replace('lora.down', 'lora_A')
      .replace('lora.up', 'lora_B')
      .replace('tokens.word', 'row'),
    value,
  ]);
  return Object.fromEntries(entries);
}

for (const name of ['unet', 'velocity', 'text_encoder', 'token', 'lora']) {
  t.test(`training ${name} equals diffusers and peft`, async (t) => {
    const expected = await committedCase('denoiser_training');
    const parse = (key: string) => JSON.parse(expected.metadata[key] ?? '')[name];
    const settings: Settings = parse('settings');
    const steps: { loss: number; gradientNorm: number }[] = parse('steps');
    using pipeline = await Pipeline.load(await recipeFolder(settings.family));
    using trainer = await DenoiserTrainer.create(pipeline, trainerOptions(name, settings));
    const begin = Object.entries(part(expected, `${name}.begin.`)).map(([key, value]) => [
      key.replace('lora_A', 'lora.down'),
      value,
    ]);
    await beginWith(t, trainer, { tensors: Object.fromEntries(begin), metadata: {} });
    const batch = { ...batchOf(expected), inputIds: tensor(expected, 'input_ids') };
    for (const [step, { loss, gradientNorm }] of steps.entries()) {
      near(t, (await trainer.accumulate(batch, { step })).loss, loss, `loss of step ${step}`);
      const gradients = part(expected, `${name}.gradient.`);
      if (step === 0 && Object.keys(gradients).length > 0)
        await nearTensors(t, caseNames(await trainer.gradients()), gradients, 'gradient');
      const update = await trainer.update(settings.learningRate);
      near(t, update.gradientNorm, gradientNorm, `gradient norm of step ${step}`);
    }
    const [after, average] = [part(expected, `${name}.after.`), part(expected, `${name}.average.`)];
    const found = caseNames(await weightsOf(t, trainer));
    if (name === 'token') found.row = await (found.row as Tensor).reshape([-1]);
    await nearTensors(t, found, after, 'after');
    if (Object.keys(average).length > 0)
      await nearTensors(t, caseNames(await weightsOf(t, trainer, 'ema.')), average, 'average');
  });
}
