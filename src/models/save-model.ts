import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { invalidArgument, LatentrayError } from '../errors.js';
import { changedConfig, stringifyPythonJson } from '../json.js';
import { type JobOptions, runJob } from '../native/addon.js';
import type { CancelToken, DType } from '../native/addon-types.js';
import { parseOptions } from '../parse-options.js';

/** How a model is saved. */
export interface SaveOptions extends JobOptions {
  /** What the weights are cast to in the files. @default the dtype that the model computes in */
  readonly dtype?: 'float32' | 'float16' | 'bfloat16' | undefined;
}

const saveOptions = z.strictObject({
  dtype: z.enum(['float32', 'float16', 'bfloat16']).optional(),
  signal: z.instanceof(AbortSignal).optional(),
});

/** What is saved: its config, and whether it is still there. */
interface SavedModel {
  readonly disposed: boolean;
  readonly config: Readonly<Record<string, unknown>>;
}

type Save = (path: string, dtype: DType | null, token: CancelToken | undefined) => Promise<void>;

/**
 * @internal Writes a model's folder: the weights, then config.json. Each file is written beside its place
 * and renamed.
 */
export async function saveModel(
  model: SavedModel,
  folder: string,
  weights: string,
  options: SaveOptions,
  save: Save,
): Promise<void> {
  if (typeof folder !== 'string') throw invalidArgument('folder', 'a path', folder);
  const { dtype, signal } = parseOptions(saveOptions, options, 'save');
  if (model.disposed) throw new LatentrayError('ERR_DISPOSED', 'save: the model was disposed');
  await makeFolder(folder);
  await runJob(signal, (token) => save(join(folder, weights), dtype ?? null, token));
  await writeJson(join(folder, 'config.json'), withDtype(model.config, dtype));
}

/** transformers notes the weights' dtype in its configs. */
function withDtype(config: Readonly<Record<string, unknown>>, dtype: string | undefined) {
  if (dtype === undefined) return config;
  if ('dtype' in config) return changedConfig(config, { dtype });
  return 'torch_dtype' in config ? changedConfig(config, { torch_dtype: dtype }) : config;
}

/** @internal `ERR_WRITE` where a folder cannot be made. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch(writeError(path));
}

/** @internal Writes a JSON file as diffusers does: to a temporary file, then renamed. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, stringifyPythonJson(value)).catch(writeError(path));
  await rename(temporary, path).catch(writeError(path));
}

function writeError(path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    throw new LatentrayError('ERR_WRITE', `${path}: cannot be written (${cause.code})`, {
      cause,
      path,
    });
  };
}
