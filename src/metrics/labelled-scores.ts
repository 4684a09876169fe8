import { invalidArgument } from '../errors.js';
import type { TensorHandle } from '../native/addon-types.js';
import { handleOf, Tensor, type TypedArray } from '../tensor.js';

/**
 * What is known of each row: 1 or true, 0 or false. Anything else (null, undefined, −1, NaN) is not known,
 * and its row is left out.
 */
export type RowLabels = readonly (number | boolean | null | undefined)[] | TypedArray | Tensor;

/** One number a row. */
export type RowScores = readonly number[] | TypedArray | Tensor;

/** @internal Runs a job over handles of [N]; tensors that were made for it are let go. */
export async function withRows<T>(
  labels: RowLabels,
  scores: Readonly<Record<string, RowScores>>,
  job: (labels: TensorHandle, scores: readonly TensorHandle[]) => Promise<T>,
): Promise<T> {
  const made: Tensor[] = [];
  const tensorOf = (name: string, values: unknown, number: (value: unknown) => number) => {
    if (values instanceof Tensor) return handleOf(values, name);
    const tensor = Tensor.from(Float64Array.from(rows(name, values), number));
    made.push(tensor);
    return handleOf(tensor);
  };
  try {
    const known = tensorOf('labels', labels, knownLabel);
    const given = Object.entries(scores).map(([name, each]) => tensorOf(name, each, Number));
    return await job(known, given);
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

function knownLabel(label: unknown): number {
  if (typeof label === 'boolean') return label ? 1 : 0;
  return label === null || label === undefined ? Number.NaN : Number(label);
}

function rows(name: string, values: unknown): ArrayLike<unknown> {
  if (Array.isArray(values)) return values;
  if (ArrayBuffer.isView(values) && !(values instanceof DataView)) {
    return values as unknown as ArrayLike<unknown>;
  }
  throw invalidArgument(name, 'an array or a Tensor', values);
}
