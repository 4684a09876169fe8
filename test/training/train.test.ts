import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  Autoencoder,
  loadTensors,
  Pipeline,
  readProvenance,
  type Tensor,
  type TrainConfig,
  train,
} from '../../src/index.js';
import { relativeError, withoutData } from '../support/golden.js';
import { eightRadiographs } from '../support/radiographs.js';
import { loadTinyPipeline, quick } from '../support/tiny-pipeline.js';

// What the loss falls to is a claim about radiographs: pictures that are drawn would be too easy.
const skip = withoutData;

const common = { resolution: 64, batchSize: 8, captionDropout: 0, seed: 3 } as const;

async function folderOf(test: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'latentray-train-'));
  test.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A run on eight radiographs, whose texts may be one. */
async function overfit(test: Test, config: TrainConfig, text?: string) {
  const output = join(await folderOf(test), 'run');
  const pipeline = await loadTinyPipeline();
  const dataset = await eightRadiographs(text);
  const losses: number[] = [];
  const { result } = await train({
    ...common,
    ...config,
    pipeline,
    output,
    dataset,
    onStep: ({ loss }) => void losses.push(loss),
  });
  return { output, result, pipeline, losses };
}

/** The mean loss over the same draws, whatever the model: sixteen steps that change nothing. */
async function lossOf(test: Test, pipeline: Pipeline, text?: string): Promise<number> {
  const losses: number[] = [];
  await train({
    ...common,
    method: 'unet',
    learningRate: 0,
    maxTrainSteps: 16,
    pipeline,
    output: await folderOf(test),
    dataset: await eightRadiographs(text),
    onStep: ({ loss }) => void losses.push(loss),
  });
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

/** The parts' weights, as they are saved. */
async function digests(test: Test, pipeline: Pipeline): Promise<Record<string, string>> {
  const folder = await folderOf(test);
  await pipeline.save(folder);
  const found: Record<string, string> = {};
  for (const part of ['text_encoder', 'unet', 'vae']) {
    const names = (await readdir(join(folder, part))).filter((name) => name.endsWith('tensors'));
    const hash = createHash('sha256');
    for (const name of names.sort()) hash.update(await readFile(join(folder, part, name)));
    found[part] = hash.digest('hex');
  }
  return found;
}

async function latentsOf(pipeline: Pipeline): Promise<Tensor> {
  return (await pipeline.generate({ ...quick, output: 'latents' })).latents;
}

t.test('the U-Net: the loss falls, other parts stay bit for bit', { skip }, async (t) => {
  const fresh = await loadTinyPipeline();
  const before = await digests(t, fresh);
  const config = { method: 'unet', learningRate: 3e-3, maxTrainSteps: 60 } as const;
  const { result } = await overfit(t, config);
  const trained = await Pipeline.load(result);
  const factor = (await lossOf(t, trained)) / (await lossOf(t, fresh));
  t.ok(factor < 0.2, `the loss fell to ${factor}`);
  const after = await digests(t, trained);
  t.not(after.unet, before.unet);
  t.equal(after.vae, before.vae);
  t.equal(after.text_encoder, before.text_encoder);
  t.equal((await trained.generate(quick)).images.length, 1);
});

t.test('LoRA: the file gives what was trained, applied or merged', { skip }, async (t) => {
  const fresh = await loadTinyPipeline();
  const before = await digests(t, fresh);
  const { result, pipeline } = await overfit(t, {
    method: 'lora',
    lora: { rank: 8, targets: { textEncoder: ['q_proj', 'v_proj'] } },
    learningRate: 3e-2,
    maxTrainSteps: 60,
  });
  t.same(await digests(t, pipeline), before, 'the weights are those of before');
  const [loss, without] = [await lossOf(t, fresh), await latentsOf(fresh)];
  await fresh.loadLora(result);
  const factor = (await lossOf(t, fresh)) / loss;
  t.ok(factor < 0.65, `the loss fell to ${factor}`);
  const applied = await latentsOf(fresh);
  t.ok((await relativeError(applied, without)) > 1e-3);
  await fresh.fuseLora();
  t.ok((await relativeError(await latentsOf(fresh), applied)) < 1e-4);
});

t.test('textual inversion: a token is learned, nothing else changes', { skip }, async (t) => {
  const text = '<effusion>'; // alone, and long: little of what the small U-Net does follows from its text
  const fresh = await loadTinyPipeline();
  const before = await digests(t, fresh);
  const loss = await lossOf(t, fresh, 'fluid');
  const config = {
    method: 'textual-inversion',
    tokens: { '<effusion>': { initializer: 'fluid', vectors: 24 } },
    learningRate: 0.2,
    maxTrainSteps: 60,
  } as const;
  const { result } = await overfit(t, config, text);
  t.equal(await fresh.loadTextualInversion(result), '<effusion>');
  const factor = (await lossOf(t, fresh, text)) / loss;
  t.ok(factor < 0.98, `the loss fell to ${factor}`);
  t.equal((await fresh.generate({ ...quick, prompt: text })).images.length, 1);
  const { tensors } = await loadTensors(join(result, 'learned_embeds.safetensors'));
  t.same(tensors['<effusion>']?.shape, [24, fresh.textEncoder.hiddenSize]);
  await fresh.unloadTextualInversion('<effusion>');
  t.same(await digests(t, fresh), before);
});

t.test('the text encoder alone', { skip }, async (t) => {
  const fresh = await loadTinyPipeline();
  const before = await digests(t, fresh);
  const config = { method: 'text-encoder', learningRate: 5e-2, maxTrainSteps: 80 } as const;
  const trained = await Pipeline.load((await overfit(t, config)).result);
  const factor = (await lossOf(t, trained)) / (await lossOf(t, fresh));
  t.ok(factor < 0.9, `the loss fell to ${factor}`);
  const after = await digests(t, trained);
  t.equal(after.unet, before.unet);
  t.not(after.text_encoder, before.text_encoder);
});

t.test('several parts at once, with everything that a recipe can have', { skip }, async (t) => {
  const { result, losses } = await overfit(t, {
    trainable: ['unet', 'textEncoder'],
    batchSize: 4,
    gradientAccumulationSteps: 2,
    learningRate: 3e-3,
    lrScheduler: 'cosine',
    lrWarmupSteps: 5,
    ema: { decay: 0.9 },
    snrGamma: 5,
    noiseOffset: 0.05,
    inputPerturbation: 0.1,
    precision: 'bfloat16',
    captionDropout: 0.1,
    maxTrainSteps: 50,
  });
  t.equal(losses.length, 50);
  const trained = await Pipeline.load(result);
  const factor = (await lossOf(t, trained)) / (await lossOf(t, await loadTinyPipeline()));
  t.ok(factor < 0.8, `the loss fell to ${factor}`);
  t.equal((await trained.generate(quick)).images.length, 1);
});

t.test(
  'the autoencoder: the loss falls, and the latents have unit variance',
  { skip },
  async (t) => {
    const config = { method: 'autoencoder', learningRate: 3e-3, maxTrainSteps: 60 } as const;
    const { result, losses } = await overfit(t, { ...config, batchSize: 8 });
    const factor = (losses.at(-1) as number) / (losses[0] as number);
    t.ok(factor < 0.6, `the loss fell to ${factor}`);
    const vae = await Autoencoder.load(result);
    t.not(vae.scalingFactor, 0.18215);
  },
);

t.test('prior preservation makes its class images first', async (t) => {
  const { output, losses } = await overfit(t, {
    method: 'unet',
    learningRate: 1e-3,
    batchSize: 2,
    maxTrainSteps: 2,
    priorPreservation: { prompt: 'a chest x-ray', images: 3, steps: 2, weight: 0.5 },
  });
  const names = await readdir(join(output, 'class-images'));
  t.same(names.sort(), ['000000.png', '000001.png', '000002.png', 'metadata.jsonl']);
  t.ok(losses.every(Number.isFinite));
});

t.test('validation images say that they are synthetic, and after how many steps', async (t) => {
  const { output } = await overfit(t, {
    method: 'unet',
    batchSize: 2,
    maxTrainSteps: 2,
    ema: true,
    validation: { prompts: ['a chest x-ray'], everySteps: 1, steps: 2 },
  });
  const names = await readdir(join(output, 'validation'));
  t.same(names.sort(), ['step-00000001-0.png', 'step-00000002-0.png']);
  const provenance = await readProvenance(join(output, 'validation', names[1] as string));
  t.equal(provenance?.synthetic, true);
  t.equal(provenance?.settings?.fineTuningSteps, 2);
});
