import { z } from 'zod';
import { invalidArgument } from './errors.js';
import { addon, type JobOptions, runJob } from './native/addon.js';
import { checkPath, jobOptions, parseOptions, placedJobOptions } from './parse-options.js';
import { type DType, handleOf, Tensor } from './tensor.js';

const saveOptions = z.strictObject({
  ...jobOptions.shape,
  metadata: z.record(z.string(), z.string()).optional(),
});

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
 * @param options `dtype`: what floating-point tensors are cast to, others keep theirs; `device`: where they
 * go, `'cpu'` by default.
 * @throws `ERR_MODEL_NOT_FOUND`, `ERR_WEIGHTS_CORRUPT` saying what is wrong with the file, `ERR_DTYPE`,
 * `ERR_DEVICE_UNAVAILABLE`.
 */
export async function loadTensors(
  path: string | readonly string[],
  options: { readonly dtype?: DType; readonly device?: string } & JobOptions = {},
): Promise<TensorFile> {
  const {
    dtype = null,
    device = 'cpu',
    signal,
  } = parseOptions(placedJobOptions, options, 'loadTensors');
  const paths: readonly unknown[] = Array.isArray(path) && path.length > 0 ? path : [path];
  for (const each of paths) checkPath(each);
  const file = await runJob(signal, (token) =>
    addon().loadTensors(paths as string[], dtype, device, token),
  );
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
  checkPath(path);
  const { metadata = {}, signal } = parseOptions(saveOptions, options, 'saveTensors');
  if (typeof tensors !== 'object' || tensors === null) {
    throw invalidArgument('tensors', 'an object of Tensors', tensors);
  }
  const handles = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, handleOf(tensor, `tensors.${name}`)]),
  );
  await runJob(signal, (token) => addon().saveTensors(path, handles, metadata, token));
}
