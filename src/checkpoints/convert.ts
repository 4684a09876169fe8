import { dirname, extname, join } from 'node:path';
import { z } from 'zod';
import { invalidArgument, LatentrayError } from '../errors.js';
import { isFile, readJsonObject } from '../models/json-files.js';
import { findPipelineConfig } from '../models/model-folder.js';
import { makeFolder, writeJson } from '../models/save-model.js';
import { findWeightFiles } from '../models/weight-files.js';
import { addon, runJob } from '../native/addon.js';
import type { DType, ModelSource } from '../native/addon-types.js';
import { parseOptions } from '../parse-options.js';
import { isPipelineFolder } from './checkpoint-files.js';
import { copyFile, copyTokenizer, indexOfWritten } from './pipeline-files.js';

const convertOptions = z.strictObject({
  to: z.enum(['diffusers', 'original', 'safetensors']).optional(),
  dtype: z.enum(['float32', 'float16', 'bfloat16']).optional(),
  config: z.string().optional(),
  ema: z.boolean().optional(),
  variant: z.string().optional(),
  signal: z.instanceof(AbortSignal).optional(),
});

/**
 * How {@link convert} writes.
 *
 * - `to`: `'diffusers'`, a pipeline's folder; `'original'`, one file as the original Stable Diffusion
 *   checkpoints are; `'safetensors'`, the same tensors under the same names. By default a folder for a name
 *   without an extension; for `.safetensors`, `'original'` of a pipeline's folder and `'safetensors'` else.
 * - `dtype`: what floating-point tensors are cast to. By default they keep theirs.
 * - `config`: for an original file, the folder in the diffusers layout with its configs.
 * - `ema`: for an original file with two U-Nets, whether to take the moving average.
 * - `variant`: which published variant of a folder to read.
 */
export type ConvertOptions = z.input<typeof convertOptions>;
type ParsedOptions = z.output<typeof convertOptions>;

/** The parts of a pipeline, and what diffusers and transformers call their weight files. */
const parts = [
  { name: 'unet', folder: 'unet', file: 'diffusion_pytorch_model.safetensors' },
  { name: 'vae', folder: 'vae', file: 'diffusion_pytorch_model.safetensors' },
  { name: 'textEncoder', folder: 'text_encoder', file: 'model.safetensors' },
] as const;

/**
 * Converts a checkpoint: PyTorch files to safetensors, an original single-file checkpoint to a folder in the
 * diffusers layout and back, any of them to another dtype. No model is built, and what a pickle names is
 * never run.
 *
 * @throws `ERR_MODEL_NOT_FOUND`, `ERR_WEIGHTS_…`, `ERR_INVALID_ARG`, `ERR_WRITE`.
 */
export async function convert(
  from: string,
  to: string,
  options: ConvertOptions = {},
): Promise<void> {
  if (typeof from !== 'string') throw invalidArgument('from', 'a path', from);
  if (typeof to !== 'string') throw invalidArgument('to', 'a path', to);
  const parsed = parseOptions(convertOptions, options, 'convert');
  const target = parsed.to ?? (await defaultTarget(from, to));
  await makeFolder(target === 'diffusers' ? to : dirname(to));
  if (target === 'diffusers') return toFolder(from, to, parsed);
  if (target === 'original') return toOriginal(from, to, parsed);
  return toSafetensors(from, to, parsed);
}

async function defaultTarget(from: string, to: string): Promise<ParsedOptions['to']> {
  if (extname(to) !== '.safetensors') return 'diffusers';
  return (await isPipelineFolder(from)) ? 'original' : 'safetensors';
}

async function toFolder(from: string, to: string, options: ParsedOptions): Promise<void> {
  const single = await isFile(from);
  const configs = single ? await findPipelineConfig(from, options.config) : from;
  if (!(await isPipelineFolder(configs))) throw notAPipeline(from);
  for (const { name, folder, file } of parts) {
    const files = single ? [from] : await findWeightFiles(join(from, folder), options.variant);
    const config = await readConfig(join(configs, folder));
    const ema = name === 'unet' ? (options.ema ?? null) : null;
    await makeFolder(join(to, folder));
    await runJob(options.signal, (token) =>
      addon().partFromOriginal(
        files,
        join(to, folder, file),
        name,
        config,
        options.dtype ?? null,
        ema,
        token,
      ),
    );
  }
  await copyConfigs(configs, to);
}

/** A part's config for the addon, and its path for messages. */
async function readConfig(folder: string): Promise<Pick<ModelSource, 'config' | 'origin'>> {
  const origin = join(folder, 'config.json');
  return { config: JSON.stringify(await readJsonObject(origin)), origin };
}

/** Configs, scheduler and tokenizer; model_index.json last, as it makes the folder a pipeline. */
async function copyConfigs(from: string, to: string): Promise<void> {
  for (const { folder } of parts) {
    await copyFile(join(from, folder, 'config.json'), join(to, folder, 'config.json'));
  }
  const scheduler = join('scheduler', 'scheduler_config.json');
  await copyFile(join(from, scheduler), join(to, scheduler));
  await copyTokenizer(join(from, 'tokenizer'), join(to, 'tokenizer'));
  const index = await readJsonObject(join(from, 'model_index.json'));
  await writeJson(join(to, 'model_index.json'), indexOfWritten(index));
}

async function toOriginal(from: string, to: string, options: ParsedOptions): Promise<void> {
  if (!(await isPipelineFolder(from))) throw notAPipeline(from);
  const [unet, vae, textEncoder] = await Promise.all(
    parts.map(({ folder }) => findWeightFiles(join(from, folder), options.variant)),
  );
  const files = { unet: unet ?? [], vae: vae ?? [], textEncoder: textEncoder ?? [] };
  const textConfig = await readConfig(join(from, 'text_encoder'));
  await runJob(options.signal, (token) =>
    addon().originalFromParts(files, to, textConfig, options.dtype ?? null, token),
  );
}

async function toSafetensors(from: string, to: string, options: ParsedOptions): Promise<void> {
  const files = (await isFile(from)) ? [from] : await findWeightFiles(from, options.variant);
  const dtype: DType | null = options.dtype ?? null;
  await runJob(options.signal, async (token) => {
    const { tensors, metadata } = await addon().loadTensors(files, dtype, 'cpu', token);
    await addon().saveTensors(to, tensors, { ...metadata, format: 'pt' }, token);
    for (const tensor of Object.values(tensors)) tensor.dispose();
  });
}

function notAPipeline(path: string): LatentrayError {
  return new LatentrayError(
    'ERR_MODEL_NOT_FOUND',
    `${path}: expected a folder in the diffusers layout, with model_index.json`,
    { path },
  );
}
