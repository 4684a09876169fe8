import { readdir } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { LatentrayError } from '../errors.js';
import { exists, readJsonObject } from './json-files.js';

/** The stems under which diffusers and transformers publish weights, each with its file types, the safe one first. */
const publishedNames = [
  ['diffusion_pytorch_model', 'safetensors'],
  ['model', 'safetensors'],
  ['diffusion_pytorch_model', 'bin'],
  ['pytorch_model', 'bin'],
] as const;

/**
 * The weight files of a published model folder: one, or the shards that an index names.
 *
 * @param variant `'fp16'` for `model.fp16.safetensors`, as diffusers and transformers name variants.
 * @throws `ERR_MODEL_NOT_FOUND` saying what was looked for and which variants are there.
 */
export async function findWeightFiles(folder: string, variant?: string): Promise<string[]> {
  for (const [stem, type] of publishedNames) {
    const infix = variant === undefined ? '' : `.${variant}`;
    const single = join(folder, `${stem}${infix}.${type}`);
    if (await exists(single)) return [single];
    const index = join(folder, `${stem}.${type}.index${infix}.json`);
    if (await exists(index)) return shardsOf(index);
  }
  throw await nothingFound(folder, variant);
}

async function nothingFound(folder: string, variant: string | undefined): Promise<LatentrayError> {
  const infix = variant === undefined ? '' : `.${variant}`;
  const names = publishedNames.map(([stem, type]) => `${stem}${infix}.${type}`);
  const variants = await variantsIn(folder);
  const remedy =
    variants.length > 0
      ? `. There are variants: ${variants.map((name) => `variant: '${name}'`).join(', ')}`
      : '';
  return new LatentrayError(
    'ERR_MODEL_NOT_FOUND',
    `${folder}: expected ${names.join(' or ')}, or an index of its shards${remedy}`,
    { path: folder },
  );
}

/** Which variants lie in a folder: "fp16" where there is a model.fp16.safetensors. */
async function variantsIn(folder: string): Promise<string[]> {
  const stems = publishedNames.map(([stem]) => stem).join('|');
  const pattern = new RegExp(
    `^(?:${stems})\\.(?:(?:safetensors|bin)\\.index\\.)?([\\w-]+?)(?:-\\d+-of-\\d+)?\\.(?:safetensors|bin|json)$`,
  );
  const names = await readdir(folder).catch(() => []);
  const found = names.map((name) => pattern.exec(name)?.[1]).filter((name) => name !== undefined);
  return [...new Set(found)].sort();
}

async function shardsOf(indexPath: string): Promise<string[]> {
  const { weight_map: map } = await readJsonObject(indexPath);
  const names = new Set(typeof map === 'object' && map !== null ? Object.values(map) : []);
  if (names.size === 0) {
    throw new LatentrayError(
      'ERR_WEIGHTS_CORRUPT',
      `${indexPath}: weight_map: expected file names`,
      { path: indexPath },
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
    `${indexPath}: weight_map: ${JSON.stringify(name)} is outside the folder`,
    { path: indexPath },
  );
}
