import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  Autoencoder,
  loadTensors,
  Pipeline,
  type Tensor,
  type TrainConfig,
  type TrainStep,
  train,
} from '../../src/index.js';
import { relativeError } from '../support/golden.js';
import { eightRadiographs } from '../support/radiographs.js';
import { loadTinyPipeline, quick } from '../support/tiny-pipeline.js';

const common = {
  resolution: 64,
  batchSize: 8,
  captionDropout: 0,
  seed: 3,
  lrScheduler: 'constant',
} as const;

/** A run on eight radiographs: by how much the loss fell, and the pipeline that was trained. */
async function overfit(test: Test, config: TrainConfig, given?: Pipeline) {
  const output = join(test.testdir(), 'run');
  const pipeline = given ?? (await loadTinyPipeline());
  const losses: number[] = [];
  const { result } = await train({
    ...common,
    ...config,
    pipeline,
    output,
    dataset: await eightRadiographs(),
    onStep: ({ loss }: TrainStep) => void losses.push(loss),
  });
  const mean = (list: number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const tenth = Math.ceil(losses.length / 10);
  const factor = mean(losses.slice(-tenth)) / mean(losses.slice(0, tenth));
  return { output, result, pipeline, losses, factor };
}

/** The parts' weights, as they are saved. */
async function digests(pipeline: Pipeline, folder: string): Promise<Record<string, string>> {
  await pipeline.save(folder);
  const found: Record<string, string> = {};
  for (const part of ['text_encoder', 'unet', 'vae']) {
    const files = (await readdir(join(folder, part))).filter((name) =>
      name.endsWith('.safetensors'),
    );
    const hash = createHash('sha256');
    for (const name of files.sort()) hash.update(await readFile(join(folder, part, name)));
    found[part] = hash.digest('hex');
  }
  return found;
}

async function pixelsOf(pipeline: Pipeline): Promise<Tensor> {
  const { latents } = await pipeline.generate({ ...quick, output: 'latents' });
  return latents;
}

t.test(
  'the U-Net: its loss falls, the other parts stay bit for bit, the result generates',
  async (t) => {
    const before = await digests(await loadTinyPipeline(), join(t.testdir(), 'before'));
    const { factor, result } = await overfit(t, {
      method: 'unet',
      learningRate: 3e-3,
      maxTrainSteps: 60,
    });
    t.ok(factor < 0.7, `the loss fell to ${factor}`);
    const trained = await Pipeline.load(result);
    const after = await digests(trained, join(t.testdir(), 'after'));
    t.not(after.unet, before.unet);
    t.equal(after.vae, before.vae);
    t.equal(after.text_encoder, before.text_encoder);
    t.equal((await trained.generate(quick)).images.length, 1);
  },
);

t.test('LoRA: the file gives what was trained, applied or merged', async (t) => {
  const before = await digests(await loadTinyPipeline(), join(t.testdir(), 'before'));
  const { factor, result, pipeline } = await overfit(t, {
    method: 'lora',
    lora: { rank: 8, targets: { textEncoder: ['q_proj', 'v_proj'] } },
    learningRate: 3e-2,
    maxTrainSteps: 60,
  });
  t.ok(factor < 0.9, `the loss fell to ${factor}`);
  t.same(
    await digests(pipeline, join(t.testdir(), 'after')),
    before,
    'the weights are those of before',
  );
  const without = await pixelsOf(pipeline);
  await pipeline.loadLora(result);
  const applied = await pixelsOf(pipeline);
  t.ok((await relativeError(applied, without)) > 1e-3);
  await pipeline.fuseLora();
  t.ok((await relativeError(await pixelsOf(pipeline), applied)) < 1e-4);
});

t.test('textual inversion: a token of two vectors is learned, nothing else changes', async (t) => {
  const before = await digests(await loadTinyPipeline(), join(t.testdir(), 'before'));
  const { factor, result } = await overfit(t, {
    method: 'textual-inversion',
    tokens: { '<effusion>': { initializer: 'fluid', vectors: 2 } },
    learningRate: 5e-2,
    maxTrainSteps: 30,
  });
  t.ok(factor < 1.02, `the loss went to ${factor}`);
  const fresh = await loadTinyPipeline();
  t.equal(await fresh.loadTextualInversion(result), '<effusion>');
  const { tensors } = await loadTensors(join(result, 'learned_embeds.safetensors'));
  t.same(tensors['<effusion>']?.shape, [2, fresh.textEncoder.hiddenSize]);
  await fresh.unloadTextualInversion('<effusion>');
  t.same(await digests(fresh, join(t.testdir(), 'after')), before);
});

t.test('several parts at once, with EMA, accumulation, min-SNR and half precision', async (t) => {
  const { factor, result } = await overfit(t, {
    trainable: ['unet', 'textEncoder'],
    batchSize: 4,
    gradientAccumulationSteps: 2,
    learningRate: 3e-3,
    ema: { decay: 0.9 },
    snrGamma: 5,
    noiseOffset: 0.05,
    inputPerturbation: 0.1,
    precision: 'bfloat16',
    captionDropout: 0.1,
    maxTrainSteps: 50,
  });
  t.ok(factor < 0.8, `the loss fell to ${factor}`);
  t.equal((await (await Pipeline.load(result)).generate(quick)).images.length, 1);
});

t.test('the autoencoder: its loss falls, and its latents have unit variance', async (t) => {
  const { factor, result } = await overfit(t, {
    method: 'autoencoder',
    batchSize: 4,
    learningRate: 3e-3,
    maxTrainSteps: 60,
  });
  t.ok(factor < 0.6, `the loss fell to ${factor}`);
  const vae = await Autoencoder.load(result);
  t.not(vae.scalingFactor, 0.18215);
});

t.test('prior preservation makes its class images first, once', async (t) => {
  const config = {
    method: 'unet',
    learningRate: 1e-3,
    batchSize: 2,
    maxTrainSteps: 2,
    priorPreservation: { prompt: 'a chest x-ray', images: 3, steps: 2, weight: 0.5 },
  } as const;
  const { output } = await overfit(t, config);
  const names = await readdir(join(output, 'class-images'));
  t.same(names.sort(), ['000000.png', '000001.png', '000002.png', 'metadata.jsonl']);
});
