import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Test } from 'tap';
import {
  type DenoiserBatch,
  type DenoiserTrainer,
  loadTensors,
  type Pipeline,
  Tensor,
  type TypedArray,
} from '../../src/index.js';

/** Two samples for the small pipeline, with states for the U-Net. */
export async function stateBatch(seed = 1): Promise<DenoiserBatch> {
  return {
    latents: await Tensor.randn([2, 4, 8, 8], { seed }),
    encoderHiddenStates: await Tensor.randn([2, 7, 32], { seed: seed + 1000 }),
    sampleNumbers: [2 * seed, 2 * seed + 1],
  };
}

/** The same with texts. */
export async function textBatch(
  pipeline: Pipeline,
  texts: readonly string[] = ['a lung', 'a heart'],
  seed = 1,
): Promise<DenoiserBatch> {
  const { tokenizer } = pipeline.textEncoder;
  const rows = texts.map((text) =>
    tokenizer.encode(text, { maxLength: 12, padding: 'max_length' }),
  );
  const ids = BigInt64Array.from(rows.flatMap(({ inputIds }) => inputIds.map(BigInt)));
  return {
    latents: await Tensor.randn([texts.length, 4, 8, 8], { seed }),
    inputIds: Tensor.from(ids, { shape: [texts.length, 12] }),
    sampleNumbers: texts.map((_, i) => texts.length * seed + i),
  };
}

/** Trains from one step to before another; returns the losses. */
export async function trainSteps(
  trainer: DenoiserTrainer,
  [from, to]: readonly [number, number],
  batchOf: (step: number) => Promise<DenoiserBatch>,
  learningRate = 1e-3,
): Promise<number[]> {
  const losses: number[] = [];
  for (let step = from; step < to; step++) {
    losses.push((await trainer.accumulate(await batchOf(step), { step })).loss);
    await trainer.update(learningRate);
  }
  return losses;
}

/** Stands for the bytes: equal where they are, and quick to compare. */
export function digest({ buffer, byteOffset, byteLength }: TypedArray): string {
  return createHash('sha256')
    .update(Buffer.from(buffer, byteOffset, byteLength))
    .digest('hex');
}

/** The digests of tensors, by name. */
export function digestsOf(tensors: Record<string, Tensor>): Record<string, string> {
  const entries = Object.entries(tensors);
  return Object.fromEntries(entries.map(([name, value]) => [name, digest(value.data())]));
}

/** The same of a file. */
export async function digests(path: string): Promise<Record<string, string>> {
  return digestsOf((await loadTensors(path)).tensors);
}

/** The digests of the weights that a pipeline saves. */
export async function savedWeights(t: Test, pipeline: Pipeline) {
  const folder = t.testdir();
  await pipeline.save(folder);
  return {
    unet: await digests(join(folder, 'unet/diffusion_pytorch_model.safetensors')),
    textEncoder: await digests(join(folder, 'text_encoder/model.safetensors')),
  };
}
