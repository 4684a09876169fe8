import { LatentrayError } from '../../errors.js';

/** Where a sample comes from. */
export interface SampleOrigin {
  /** The file that speaks of it, or the argument that it is an element of. */
  readonly path: string;
  /** From 1, where that is a file with lines. */
  readonly line?: number;
}

/** `ERR_DATASET`: the place, then what was expected and found, the remedy last. */
export function datasetError(
  { path, line }: SampleOrigin,
  message: string,
  fields: { readonly id?: string; readonly cause?: unknown } = {},
): LatentrayError {
  const place = line === undefined ? path : `${path}:${line}`;
  return new LatentrayError('ERR_DATASET', `${place}: ${message}`, {
    path,
    ...(line !== undefined && { line }),
    ...fields,
  });
}
