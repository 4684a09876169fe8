// Typed arrays as the memory of tensors: which array holds which dtype, and what may be borrowed.

import { markAsUntransferable } from 'node:worker_threads';
import { invalidArgument, LatentrayError } from './errors.js';
import type { DType } from './native/addon-types.js';

/** The JavaScript views of tensor memory. float16 and bfloat16 appear as `Uint16Array`, bool as `Uint8Array`. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | BigInt64Array;

/** The array that a dtype appears as. */
export const views = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
} as const satisfies Record<DType, unknown>;

/** `data` itself, or numbers as the array of `dtype`. */
export function asTypedArray(
  data: TypedArray | readonly number[],
  dtype: DType = 'float32',
): TypedArray {
  if (!Array.isArray(data)) {
    if (ArrayBuffer.isView(data) && !(data instanceof DataView)) return data as TypedArray;
    throw invalidArgument('data', 'a typed array or an array of numbers', data);
  }
  const valid = dtype === 'int64' ? Number.isSafeInteger : isNumber;
  const wrong = data.find((value) => !valid(value));
  if (wrong !== undefined || data.includes(undefined)) {
    throw invalidArgument('data', dtype === 'int64' ? 'whole numbers' : 'numbers', wrong);
  }
  if (dtype === 'int64') return BigInt64Array.from(data, (value: number) => BigInt(value));
  if (dtype === 'float16' || dtype === 'bfloat16') {
    throw new LatentrayError(
      'ERR_DTYPE',
      `data: expected a Uint16Array of ${dtype} bits, received an array of numbers. ` +
        'Make a float32 tensor and call .to({ dtype })',
    );
  }
  return views[dtype].from(data);
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number';
}

/** What an array holds when nothing else is said. */
export function dtypeOf(array: TypedArray): DType {
  if (array instanceof Uint8ClampedArray) return 'uint8';
  const entry = Object.entries(views).find(([, View]) => array instanceof View);
  if (!entry) throw invalidArgument('data', 'a typed array that PyTorch has a dtype for', array);
  if (array instanceof Uint16Array) {
    throw new LatentrayError(
      'ERR_DTYPE',
      "dtype: expected 'float16' or 'bfloat16' with a Uint16Array, received nothing",
    );
  }
  return entry[0] as DType;
}

export function isViewOf(array: TypedArray, dtype: DType): boolean {
  return array instanceof views[dtype] || (dtype === 'uint8' && array instanceof Uint8ClampedArray);
}

/** `ERR_DTYPE` for a dtype that does not exist. */
export function checkDtype(dtype: DType): void {
  if (Object.hasOwn(views, dtype)) return;
  const names = Object.keys(views).map((name) => `'${name}'`);
  throw new LatentrayError('ERR_DTYPE', `dtype: expected one of ${names}, received '${dtype}'`);
}

/**
 * Native code reads the memory of a borrowed buffer, so it must stay where it is. Node refuses to transfer
 * what is marked; `buffer.transfer()` of newer engines does not know the mark, and is refused here.
 */
export function keepInPlace(buffer: ArrayBufferLike): void {
  markAsUntransferable(buffer);
  for (const method of ['transfer', 'transferToFixedLength']) {
    if (method in buffer && !Object.hasOwn(buffer, method) && Object.isExtensible(buffer)) {
      Object.defineProperty(buffer, method, { value: refuseTransfer, configurable: true });
    }
  }
}

function refuseTransfer(): never {
  throw new LatentrayError(
    'ERR_BORROWED',
    'transfer: the buffer is borrowed by a Tensor. Make the tensor of a copy: Tensor.from(array.slice())',
  );
}

export function isResizable(buffer: ArrayBufferLike): boolean {
  const { resizable, growable } = buffer as { resizable?: boolean; growable?: boolean };
  return Boolean(resizable || growable);
}
