import { invalidArgument } from './errors.js';
import { addon, type JobOptions, runJob } from './native/addon.js';
import { type DType, handleOf, Tensor } from './tensor.js';

/** A safetensors file's content. */
export interface TensorFile {
  readonly tensors: Record<string, Tensor>;
  /** The file's `__metadata__`. */
  readonly metadata: Record<string, string>;
}

/**
 * Reads a safetensors file. The file is mapped: nothing is copied unless `dtype` or `device` changes it.
 *
 * @param path the file, or all shards of one checkpoint.
 * @throws `ERR_MODEL_NOT_FOUND`, or `ERR_WEIGHTS_CORRUPT` saying what is wrong with the file.
 */
export async function loadTensors(
  path: string | readonly string[],
  options: { readonly dtype?: DType; readonly device?: string } & JobOptions = {},
): Promise<TensorFile> {
  const { dtype = null, device = 'cpu', signal } = options;
  const paths = typeof path === 'string' ? [path] : [...path];
  const file = await runJob(signal, (token) => addon().loadTensors(paths, dtype, device, token));
  const tensors = Object.fromEntries(
    Object.entries(file.tensors).map(([name, handle]) => [name, new Tensor(handle)]),
  );
  return { tensors, metadata: file.metadata };
}

/**
 * Writes a safetensors file: first to a temporary file beside it, then renamed, so that a crash leaves the
 * old file or the new one.
 *
 * @throws `ERR_WRITE` when the disk is full or the folder cannot be written to.
 */
export async function saveTensors(
  path: string,
  tensors: Record<string, Tensor>,
  options: { readonly metadata?: Record<string, string> } & JobOptions = {},
): Promise<void> {
  if (typeof path !== 'string') throw invalidArgument('path', 'a string', path);
  const handles = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, handleOf(tensor)]),
  );
  await runJob(options.signal, (token) =>
    addon().saveTensors(path, handles, options.metadata ?? {}, token),
  );
}
