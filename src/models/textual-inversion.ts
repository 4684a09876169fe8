import { stat } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { LatentrayError } from '../errors.js';
import type { Tensor } from '../tensor.js';
import { loadTensors } from '../tensor-files.js';
import { exists } from './json-files.js';

/** A file of learned token embeddings, and the token to give them. */
export interface TextualInversionSource {
  readonly path: string;
  /** @default the token that the file names, or the file's name where it names none */
  readonly token?: string | undefined;
}

/** Learned embeddings of one token. */
export interface TextualInversion {
  readonly path: string;
  readonly token: string;
  /** [vectors, D] float32. */
  readonly vectors: Tensor;
}

const folderNames = ['learned_embeds.safetensors', 'learned_embeds.bin'];

/**
 * Reads learned embeddings in the published forms: one tensor under its token's name (diffusers), or
 * `emb_params` or `string_to_param` (AUTOMATIC1111), whose token is the file's name.
 *
 * @param path The file, or a folder with `learned_embeds.safetensors` or `learned_embeds.bin`.
 * @throws `ERR_MODEL_NOT_FOUND`, `ERR_WEIGHTS_…`, `ERR_SHAPE`.
 */
export async function readTextualInversion(
  path: string,
  token?: string,
): Promise<TextualInversion> {
  const file = await findFile(path);
  const { tensors, metadata } = await loadTensors(file, { dtype: 'float32' });
  const [key, tensor] = onlyEmbedding(tensors, file);
  const { shape } = tensor;
  if (shape.length < 1 || shape.length > 2 || shape.includes(0)) {
    throw new LatentrayError(
      'ERR_SHAPE',
      `${file}: ${key}: expected [D] or [K, D], found [${shape}]`,
      {
        path: file,
        key,
      },
    );
  }
  const vectors = await tensor.reshape([-1, shape.at(-1) as number]);
  const named = isAutomatic(key) ? (metadata.name ?? parse(file).name) : key;
  return { path: file, token: token ?? named, vectors };
}

async function findFile(path: string): Promise<string> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) return path;
  for (const name of folderNames) {
    if (await exists(join(path, name))) return join(path, name);
  }
  throw new LatentrayError('ERR_MODEL_NOT_FOUND', `${path}: expected ${folderNames.join(' or ')}`, {
    path,
  });
}

/** "*" is the only name inside `string_to_param`. */
function isAutomatic(key: string): boolean {
  return key === 'emb_params' || key === '*' || key.startsWith('string_to_param');
}

function onlyEmbedding(tensors: Record<string, Tensor>, path: string): [string, Tensor] {
  const entries = Object.entries(tensors);
  const automatic = entries.filter(([key]) => isAutomatic(key));
  const [only, ...others] = automatic.length > 0 ? automatic : entries;
  if (only && others.length === 0) return only;
  throw new LatentrayError(
    'ERR_WEIGHTS_UNEXPECTED_KEY',
    `${path}: expected the embeddings of one token (a tensor under its name, emb_params or ` +
      `string_to_param), found ${entries.map(([key]) => key).join(', ') || 'nothing'}`,
    { path },
  );
}
