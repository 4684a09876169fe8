import { readFile, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { readEnvironment } from '../environment.js';
import { LatentrayError } from '../errors.js';
import { parsePythonJson } from '../json.js';
import type { JobOptions } from '../native/addon.js';
import type { DType, ModelSource } from '../native/addon-types.js';
import { checkPath } from '../parse-options.js';

/** How a model is held. */
export interface ModelOptions extends JobOptions {
  /** `'cpu'`, `'cuda'` or `'cuda:N'`; never replaced by another. @default LATENTRAY_DEVICE, or 'cpu' */
  readonly device?: string | undefined;
  /** What the weights are cast to, and so what is computed in. @default 'float32', as diffusers does */
  readonly dtype?: DType | undefined;
}

/** A published model folder: its config.json and its weight files. */
export interface ModelFolder {
  readonly path: string;
  readonly configPath: string;
  /** The config as the file has it, with Python's Infinity and NaN read as numbers. */
  readonly config: Record<string, unknown>;
  readonly weightFiles: readonly string[];
}

/** The names under which diffusers and transformers publish weights. */
const weightNames = ['diffusion_pytorch_model.safetensors', 'model.safetensors'];

/** Finds a folder's config and weights. `ERR_MODEL_NOT_FOUND` says what is missing. */
export async function openModelFolder(path: string): Promise<ModelFolder> {
  checkPath(path);
  const configPath = join(path, 'config.json');
  const config = await readJsonObject(configPath);
  return { path, configPath, config, weightFiles: await findWeights(path) };
}

/** @internal What the addon needs to load the folder. */
export function sourceOf(folder: ModelFolder, options: ModelOptions): ModelSource {
  const { dtype = 'float32' } = options;
  checkModelDtype(dtype);
  return {
    config: JSON.stringify(folder.config),
    origin: folder.configPath,
    files: [...folder.weightFiles],
    device: options.device ?? readEnvironment().device ?? 'cpu',
    dtype,
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

/** Reads a JSON object. `ERR_MODEL_NOT_FOUND` or `ERR_CONFIG_INVALID`. */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  const value = parsePythonJson(await readText(path), path);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LatentrayError('ERR_CONFIG_INVALID', `${path}: expected a JSON object`, { path });
  }
  return value as Record<string, unknown>;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new LatentrayError('ERR_MODEL_NOT_FOUND', `${path}: cannot be read (${reason})`, {
      cause,
      path,
    });
  }
}

async function findWeights(folder: string): Promise<string[]> {
  for (const name of weightNames) {
    const single = join(folder, name);
    if (await exists(single)) return [single];
    const index = join(folder, `${name}.index.json`);
    if (await exists(index)) return shardsOf(index);
  }
  throw new LatentrayError(
    'ERR_MODEL_NOT_FOUND',
    `${folder}: expected ${weightNames.join(' or ')}, or an .index.json of its shards`,
    { path: folder },
  );
}

async function shardsOf(indexPath: string): Promise<string[]> {
  const { weight_map: map } = await readJsonObject(indexPath);
  const names = new Set(typeof map === 'object' && map !== null ? Object.values(map) : []);
  if (names.size === 0) {
    throw new LatentrayError(
      'ERR_WEIGHTS_CORRUPT',
      `${indexPath}: weight_map: expected file names`,
      {
        path: indexPath,
      },
    );
  }
  return [...names].map((name) => join(dirname(indexPath), shardName(name, indexPath)));
}

/** A shard lies beside its index, whatever the index says. */
function shardName(name: unknown, indexPath: string): string {
  const inside =
    typeof name === 'string' && !isAbsolute(name) && !normalize(name).split('/').includes('..');
  if (inside) return name;
  throw new LatentrayError(
    'ERR_WEIGHTS_CORRUPT',
    `${indexPath}: weight_map: '${name}' is outside the folder`,
    { path: indexPath },
  );
}

/** Whether a file or folder is there. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
