import { join } from 'node:path';
import { type Dataset, Pipeline, type TrainOptions, train } from '../../index.js';
import type { CheckedFineTuningStudy, FineTuningVariant } from './options.js';

/** A variant that can generate. */
export interface ReadyVariant {
  readonly pipeline: Pipeline;
  /** What a prompt is for it: textual inversion has its own word for radiographs. */
  readonly wording: (prompt: string) => string;
  /** Of the training; null where nothing was trained. */
  readonly finalLoss: number | null;
  readonly trainedSteps: number;
}

/** What prompts of the paper call the thing itself. */
const subject = /lung x-ray/i;

/**
 * Trains a variant, or goes on with a training that was stopped, and loads what came out. Runs are folders of
 * `train()` under `variants` in the study's folder.
 */
export async function prepareVariant(
  variant: FineTuningVariant,
  data: Dataset,
  options: CheckedFineTuningStudy,
): Promise<ReadyVariant> {
  const { textEncoder, device, signal, pipeline: folder, learnedWord } = options;
  const load = (path: string, parts: Parameters<typeof Pipeline.load>[1] = {}) =>
    Pipeline.load(path, { device, signal, ...parts });
  const asIs = { wording: (prompt: string) => prompt, finalLoss: null, trainedSteps: 0 };
  switch (variant) {
    case 'none':
      return { ...asIs, pipeline: await load(folder) };
    case 'swapped-encoder':
      return { ...asIs, pipeline: await load(folder, { textEncoder }) };
    case 'swapped-encoder-projection': {
      using pipeline = await load(folder, { textEncoder, textProjection: 'mlp' });
      const run = await trained(variant, data, options, { pipeline, method: 'projection' });
      return { ...asIs, ...run.facts, pipeline: await load(run.result) };
    }
    case 'textual-inversion': {
      const { token, initializer } = learnedWord;
      const wording = (prompt: string) => withWord(prompt, token);
      const run = await trained(
        variant,
        data.withText(({ text }) => `A photo of a ${token}. ${text}`),
        options,
        { pipeline: folder, method: 'textual-inversion', tokens: { [token]: { initializer } } },
      );
      return { ...run.facts, wording, pipeline: await load(folder, { embeddings: [run.result] }) };
    }
    case 'lora': {
      const run = await trained(variant, data, options, { pipeline: folder, method: 'lora' });
      return { ...asIs, ...run.facts, pipeline: await load(folder, { lora: [run.result] }) };
    }
    case 'unet':
    case 'unet-text-encoder': {
      const parts = variant === 'unet' ? (['unet'] as const) : (['unet', 'textEncoder'] as const);
      const run = await trained(variant, data, options, {
        pipeline: folder,
        trainable: [...parts],
      });
      return { ...asIs, ...run.facts, pipeline: await load(run.result) };
    }
  }
}

/** "A photo of a <lung-xray>": the word takes the place of what it stands for. */
export function withWord(prompt: string, token: string): string {
  return subject.test(prompt) ? prompt.replace(subject, token) : `A photo of a ${token}. ${prompt}`;
}

async function trained(
  variant: FineTuningVariant,
  dataset: Dataset,
  { training, output, seed, signal, device, pipeline: folder, onProgress }: CheckedFineTuningStudy,
  choice: Pick<TrainOptions, 'pipeline' | 'method' | 'trainable' | 'tokens'>,
) {
  const stage = `training ${variant}`;
  // A folder is loaded here where it is to lie on a device: `train` leaves that to whoever loads.
  const own =
    device !== undefined && choice.pipeline === folder
      ? await Pipeline.load(folder, { device, signal })
      : undefined;
  try {
    const { result, loss, steps } = await train({
      captionDropout: variant === 'textual-inversion' ? 0 : undefined,
      seed,
      ...training,
      ...choice,
      ...(own && { pipeline: own }),
      dataset,
      output: join(output, 'variants', variant),
      resume: 'latest',
      signal,
      onStep: ({ step, steps: total }) => onProgress?.({ stage, done: step, total }),
      onWarning: () => {},
    });
    return { result, facts: { finalLoss: loss, trainedSteps: steps } };
  } finally {
    own?.dispose();
  }
}
