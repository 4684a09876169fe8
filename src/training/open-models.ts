import { join } from 'node:path';
import { invalidArgument } from '../errors.js';
import { Autoencoder } from '../models/autoencoder.js';
import { exists, readJsonObject } from '../models/json-files.js';
import { TextEncoder } from '../models/text-encoder.js';
import { UNet } from '../models/unet.js';
import { Pipeline } from '../pipeline/pipeline.js';
import type { RunContext } from './engine.js';
import type { TrainOptions } from './train-options.js';

type Given = TrainOptions['pipeline'];

/** @internal A run's pipeline; parts that begin from scratch have their folder's config and random weights. */
export async function openPipelineToTrain(given: Given, run: RunContext): Promise<Pipeline> {
  const { fromScratch } = run.options;
  if (given instanceof Pipeline && fromScratch.length === 0) return given;
  if (typeof given !== 'string') {
    const expected =
      fromScratch.length > 0 ? "a folder, for parts 'fromScratch'" : 'a Pipeline or its folder';
    throw invalidArgument('pipeline', expected, given);
  }
  const { signal, device } = run;
  const fresh = { seed: run.options.seed, device, signal };
  const configOf = (part: string) => readJsonObject(join(given, part, 'config.json'));
  const begins = (part: (typeof fromScratch)[number]) => fromScratch.includes(part);
  return Pipeline.load(given, {
    signal,
    ...(device !== undefined && { device }),
    ...(begins('unet') && { unet: await UNet.create(await configOf('unet'), fresh) }),
    ...(begins('vae') && { vae: await Autoencoder.create(await configOf('vae'), fresh) }),
    ...(begins('textEncoder') && {
      textEncoder: await TextEncoder.create(await configOf('text_encoder'), {
        ...fresh,
        tokenizer: join(given, 'tokenizer'),
      }),
    }),
  });
}

/** @internal A run's autoencoder: itself, a pipeline's, or the folder of one of both. */
export async function openAutoencoderToTrain(given: Given, run: RunContext): Promise<Autoencoder> {
  const { options, device, signal } = run;
  const begins = options.fromScratch.includes('vae');
  if (given instanceof Autoencoder && !begins) return given;
  if (given instanceof Pipeline && !begins) return given.vae;
  if (typeof given !== 'string') {
    const expected = begins
      ? "a folder, for parts 'fromScratch'"
      : 'an Autoencoder, a Pipeline or a folder';
    throw invalidArgument('pipeline', expected, given);
  }
  const isPipeline = await exists(join(given, 'model_index.json'));
  const folder = isPipeline ? join(given, 'vae') : given;
  if (!begins) return Autoencoder.load(folder, { device, signal });
  const config = await readJsonObject(join(folder, 'config.json'));
  return Autoencoder.create(config, { seed: options.seed, device, signal });
}
