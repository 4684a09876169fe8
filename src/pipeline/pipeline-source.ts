import { dirname, join } from 'node:path';
import { LatentrayError } from '../errors.js';
import { exists, isFile, readJsonObject } from '../models/json-files.js';
import { type CheckpointOptions, findPipelineConfig } from '../models/model-folder.js';

/** Where one part of a pipeline is loaded from. */
export interface PartSource {
  readonly path: string;
  readonly options: CheckpointOptions;
}

/** Where a pipeline's parts are. */
export interface PipelineSource {
  /** model_index.json; empty where a folder has none. */
  readonly index: Readonly<Record<string, unknown>>;
  readonly scheduler: string;
  /** Where the folder has one; a text encoder looks beside itself else. */
  readonly tokenizer: string | undefined;
  part(name: 'text_encoder' | 'unet' | 'vae'): PartSource;
}

/** What decides where the parts are. */
export type PipelineSourceOptions = Pick<CheckpointOptions, 'ema' | 'variant'> & {
  /** For a checkpoint file: the folder in the diffusers layout that has its configs and its tokenizer. */
  readonly config?: string | undefined;
  /** Parts from elsewhere: where all are given, the folder needs no model_index.json. */
  readonly textEncoder?: unknown;
  readonly unet?: unknown;
  readonly vae?: unknown;
};

/**
 * A folder in the diffusers layout, or an original single-file checkpoint, whose configs lie in another
 * folder.
 */
export async function openPipeline(
  path: string,
  options: PipelineSourceOptions,
): Promise<PipelineSource> {
  if (await isFile(path)) return fileSource(path, options);
  const { variant } = options;
  return {
    ...(await describe(path, options)),
    part: (name) => ({ path: join(path, name), options: { variant } }),
  };
}

async function fileSource(path: string, options: PipelineSourceOptions): Promise<PipelineSource> {
  const configs = await findPipelineConfig(path, options.config);
  return {
    ...(await describe(configs, options)),
    part: (name) => ({
      path,
      options: { config: join(configs, name), ema: name === 'unet' ? options.ema : undefined },
    }),
  };
}

async function describe(folder: string, given: PipelineSourceOptions) {
  const indexPath = join(folder, 'model_index.json');
  const complete = given.textEncoder && given.unet && given.vae;
  const index = (await exists(indexPath)) || !complete ? await readIndex(indexPath) : {};
  const tokenizer = join(folder, 'tokenizer');
  return {
    index,
    scheduler: join(folder, 'scheduler'),
    tokenizer: (await exists(tokenizer)) ? tokenizer : undefined,
  };
}

/** Another kind of pipeline is named as such. */
async function readIndex(path: string): Promise<Record<string, unknown>> {
  if (!(await exists(path))) {
    throw new LatentrayError(
      'ERR_MODEL_NOT_FOUND',
      `${dirname(path)}: expected a folder in the diffusers layout, with model_index.json, or a checkpoint file`,
      { path: dirname(path) },
    );
  }
  const index = await readJsonObject(path);
  const name = index._class_name;
  const known =
    typeof name === 'string' && name.startsWith('StableDiffusion') && !name.includes('XL');
  if (known) return index;
  throw new LatentrayError(
    'ERR_CONFIG_INVALID',
    `${path}: _class_name: expected StableDiffusionPipeline, found ${JSON.stringify(name)}`,
    { path },
  );
}
