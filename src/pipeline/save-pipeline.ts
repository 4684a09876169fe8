import { join } from 'node:path';
import { copyTokenizer, indexOfWritten } from '../checkpoints/pipeline-files.js';
import { changedConfig } from '../json.js';
import { makeFolder, type SaveOptions, writeJson } from '../models/save-model.js';
import type { Pipeline } from './pipeline.js';

/** The version of diffusers whose layout and config keys these are. */
const diffusersVersion = '0.40.0';

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
  const { textEncoder, textProjection, unet, vae, scheduler } = pipeline;
  await textEncoder.save(join(folder, 'text_encoder'), options);
  await textProjection?.save(join(folder, 'text_projection'), options);
  await unet.save(join(folder, 'unet'), options);
  await vae.save(join(folder, 'vae'), options);
  await makeFolder(join(folder, 'scheduler'));
  const { _diffusers_version = diffusersVersion } = pipeline.index;
  await writeJson(
    join(folder, 'scheduler', 'scheduler_config.json'),
    changedConfig(scheduler.config, { _diffusers_version }),
  );
  await copyTokenizer(textEncoder.tokenizerFolder, join(folder, 'tokenizer'));
  await writeJson(join(folder, 'model_index.json'), indexOf(pipeline));
}

/** model_index.json: which library and class each part is of. */
function indexOf({ index, textEncoder, vae, scheduler }: Pipeline): Record<string, unknown> {
  const architectures = textEncoder.config.architectures;
  const textClass = Array.isArray(architectures) ? architectures[0] : 'CLIPTextModel';
  return indexOfWritten({
    _class_name: 'StableDiffusionPipeline',
    _diffusers_version: diffusersVersion,
    tokenizer: ['transformers', textEncoder.masksPadding ? 'AutoTokenizer' : 'CLIPTokenizer'],
    ...index,
    scheduler: ['diffusers', scheduler.config._class_name],
    text_encoder: ['transformers', textClass],
    unet: ['diffusers', 'UNet2DConditionModel'],
    vae: ['diffusers', vae.config._class_name],
  });
}
