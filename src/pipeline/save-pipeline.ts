import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, type SaveOptions, writeJson } from '../models/save-model.js';
import type { Pipeline } from './pipeline.js';

/**
 * Writes a pipeline as a folder in the diffusers layout, model_index.json last: a folder without it is no
 * pipeline yet.
 *
 * @internal
 */
export async function savePipeline(
  pipeline: Pipeline,
  folder: string,
  options: SaveOptions,
): Promise<void> {
  const { textEncoder, unet, vae, scheduler } = pipeline;
  await makeFolder(folder);
  await textEncoder.save(join(folder, 'text_encoder'), options);
  await unet.save(join(folder, 'unet'), options);
  await vae.save(join(folder, 'vae'), options);
  await makeFolder(join(folder, 'scheduler'));
  await writeJson(join(folder, 'scheduler', 'scheduler_config.json'), {
    ...scheduler.config,
    _diffusers_version: diffusersVersion,
  });
  await copyTokenizer(textEncoder.tokenizerFolder, join(folder, 'tokenizer'));
  await writeJson(join(folder, 'model_index.json'), indexOf(pipeline));
}
