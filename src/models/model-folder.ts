import { basename, dirname, extname, join } from 'node:path';
import { z } from 'zod';
import { readEnvironment } from '../environment.js';
import { LatentrayError } from '../errors.js';
import { changedConfig } from '../json.js';
import type { JobOptions } from '../native/addon.js';
import type { DType, ModelSource } from '../native/addon-types.js';
import { checkPath, placedJobOptions } from '../parse-options.js';
import { exists, isFile, readJsonObject } from './json-files.js';
import { findWeightFiles } from './weight-files.js';

/** How a model is held. */
export interface ModelOptions extends JobOptions {
  /** `'cpu'`, `'cuda'` or `'cuda:N'`; never replaced by another. @default LATENTRAY_DEVICE, or 'cpu' */
  readonly device?: string | undefined;
  /** What the weights are cast to, and so what is computed in. @default 'float32', as diffusers does */
  readonly dtype?: DType | undefined;
  /** Which of the published variants to read: `'fp16'` for `model.fp16.safetensors`. */
  readonly variant?: string | undefined;
}

/** How a model's weights are found and read. */
export interface CheckpointOptions extends ModelOptions {
  /**
   * The config of a weight file: a folder that holds config.json, the file itself, or its content.
   * @default the config.json beside the weights
   */
  readonly config?: string | Readonly<Record<string, unknown>> | undefined;
  /**
   * For original single-file checkpoints that hold the U-Net twice: `true` takes its moving average (to
   * generate with), `false` the last training state (to go on training). Such a file without this choice is
   * an error.
   */
  readonly ema?: boolean | undefined;
}

/** A published model: its config and its weight files. */
export interface ModelFolder {
  readonly path: string;
  readonly configPath: string;
  /** The config as the file has it, with Python's Infinity and NaN read as numbers. */
  readonly config: Record<string, unknown>;
  readonly weightFiles: readonly string[];
}

/** Not a schema of zod's, which would copy the object. */
function isConfig(value: unknown): boolean {
  if (typeof value === 'string') return true;
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @internal {@link CheckpointOptions}. */
export const checkpointOptions = z.strictObject({
  ...placedJobOptions.shape,
  variant: z.string().optional(),
  config: z
    .custom<CheckpointOptions['config']>(isConfig, 'expected a path or an object')
    .optional(),
  ema: z.boolean().optional(),
});

/**
 * Finds a model's config and weights in its folder, or takes the weight file that `path` names.
 * `ERR_MODEL_NOT_FOUND` says what is missing.
 */
export async function openModelFolder(
  path: string,
  options: CheckpointOptions = {},
): Promise<ModelFolder> {
  checkPath(path);
  const single = await isFile(path);
  const { configPath, config } = await findConfig(single ? dirname(path) : path, options.config);
  const weightFiles = single ? [path] : await findWeightFiles(path, options.variant);
  return { path, configPath, config, weightFiles };
}

async function findConfig(
  folder: string,
  given: CheckpointOptions['config'],
): Promise<{ configPath: string; config: Record<string, unknown> }> {
  if (typeof given === 'object') return { configPath: 'config', config: changedConfig(given, {}) };
  const path = given ?? folder;
  const configPath = (await isFile(path)) ? path : join(path, 'config.json');
  return { configPath, config: await readJsonObject(configPath) };
}

/**
 * The folder in the diffusers layout whose configs describe an original single-file checkpoint: the one that
 * is given, else a folder of the file's name beside it, else the file's own folder.
 */
export async function findPipelineConfig(file: string, given?: string): Promise<string> {
  const beside = join(dirname(file), basename(file, extname(file)));
  const candidates = given === undefined ? [beside, dirname(file)] : [given];
  for (const folder of candidates) {
    if (await exists(join(folder, 'model_index.json'))) return folder;
  }
  throw new LatentrayError(
    'ERR_MODEL_NOT_FOUND',
    `${file}: expected its configs, a folder in the diffusers layout with model_index.json, in ` +
      `${candidates.join(' or ')}. A checkpoint file holds weights alone: name the folder as config`,
    { path: file },
  );
}

/** @internal What the addon needs to load the model. */
export function sourceOf(folder: ModelFolder, options: CheckpointOptions): ModelSource {
  const { dtype = 'float32' } = options;
  checkModelDtype(dtype);
  return {
    config: JSON.stringify(folder.config),
    origin: folder.configPath,
    files: [...folder.weightFiles],
    device: options.device ?? readEnvironment().device ?? 'cpu',
    dtype,
    ema: options.ema ?? null,
  };
}

/** @internal `ERR_DTYPE` for what no model computes in. */
export function checkModelDtype(dtype: string): void {
  if (['float32', 'bfloat16', 'float16', 'float64'].includes(dtype)) return;
  throw new LatentrayError(
    'ERR_DTYPE',
    `dtype: expected 'float32', 'bfloat16', 'float16' or 'float64' for a model, received '${dtype}'`,
  );
}
