import { markAsUntransferable } from 'node:worker_threads';
import { z } from 'zod';
import { invalidArgument, LatentrayError } from './errors.js';
import { addon, type JobOptions, runJob } from './native/addon.js';
import type { DType, OpAttributes, TensorHandle } from './native/addon-types.js';
import { NoiseSource } from './noise-source.js';
import { checkedLater, jobOptions, parseOptions, placedJobOptions } from './parse-options.js';

export type { DType } from './native/addon-types.js';

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

/** Where and as what a new tensor is made. */
export interface TensorOptions {
  /** @default 'float32' */
  readonly dtype?: DType | undefined;
  /** `'cpu'`, `'cuda'` or `'cuda:N'`; never replaced by another. @default 'cpu' */
  readonly device?: string | undefined;
}

const handleKey = Symbol.for('latentray.tensor.handle');

const views = {
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

const { dtype, device } = placedJobOptions.shape;
const fromOptions = z.strictObject({ shape: checkedLater<readonly number[]>(), dtype });
const tensorOptions = z.strictObject({ dtype, device });
const randnOptions = z.strictObject({
  ...placedJobOptions.shape,
  seed: checkedLater<number | bigint>(),
});

/**
 * A tensor in LibTorch's memory, or over memory of yours.
 *
 * Nothing is copied on the CPU: {@link Tensor.from} borrows a typed array, {@link Tensor.data} is a view.
 * The memory lives until both sides let go. `dispose()` (or `using`) gives it back at once; otherwise the
 * garbage collector does, which is told how large it is.
 */
export class Tensor {
  readonly #handle: TensorHandle;
  readonly #borrowed: TypedArray | undefined;
  #view: TypedArray | undefined;

  /** @internal Use `Tensor.from`, `Tensor.zeros`, … */
  constructor(handle: TensorHandle, borrowed?: TypedArray) {
    this.#handle = handle;
    this.#borrowed = borrowed;
  }

  /**
   * A tensor over `data`, without a copy: writing to one shows in the other. The array's buffer can no
   * longer be transferred to another thread. Resizable buffers are copied.
   *
   * @param data a typed array, or a flat array of numbers (copied).
   * @param options `shape`: one dimension by default; `dtype`: follows the array, and is needed for
   * `Uint16Array` (`'float16'` or `'bfloat16'`) and for `'bool'`.
   * @throws `ERR_SHAPE` when the shape does not hold exactly the array's elements, `ERR_DTYPE` when array
   * and dtype do not go together.
   */
  static from(
    data: TypedArray | readonly number[],
    options: { readonly shape?: readonly number[]; readonly dtype?: DType } = {},
  ): Tensor {
    const given = parseOptions(fromOptions, options, 'Tensor.from');
    if (given.dtype !== undefined) checkDtype(given.dtype);
    const array = asTypedArray(data, given.dtype);
    const dtype = given.dtype ?? dtypeOf(array);
    if (!isViewOf(array, dtype)) {
      throw new LatentrayError(
        'ERR_DTYPE',
        `data: expected ${views[dtype].name} for ${dtype}, received ${array.constructor.name}`,
      );
    }
    const shape = given.shape ?? [array.length];
    checkShape(shape);
    const count = shape.reduce((product, size) => product * size, 1);
    if (count !== array.length) {
      throw new LatentrayError(
        'ERR_SHAPE',
        `shape: [${shape}] has ${count} elements, received ${array.length}`,
      );
    }
    const borrowed = isResizable(array.buffer) ? (array.slice() as TypedArray) : array;
    keepInPlace(borrowed.buffer);
    const bytes = new Uint8Array(borrowed.buffer, borrowed.byteOffset, borrowed.byteLength);
    return new Tensor(addon().tensorFromBytes(bytes, shape, dtype), borrowed);
  }

  /** Zeros of `shape`. */
  static zeros(shape: readonly number[], options: TensorOptions = {}): Tensor {
    return Tensor.full(shape, 0, options);
  }

  /** Ones of `shape`. */
  static ones(shape: readonly number[], options: TensorOptions = {}): Tensor {
    return Tensor.full(shape, 1, options);
  }

  /** `value`, `shape` times. */
  static full(shape: readonly number[], value: number, options: TensorOptions = {}): Tensor {
    checkShape(shape);
    if (typeof value !== 'number') throw invalidArgument('value', 'a number', value);
    const { dtype = 'float32', device = 'cpu' } = parseOptions(
      tensorOptions,
      options,
      'Tensor.full',
    );
    return new Tensor(addon().fullTensor(shape, value, dtype, device));
  }

  /**
   * Standard normal noise, bit-equal with PyTorch's `torch.randn(shape, generator=cpu_generator)` for the
   * same seed on every device and in every dtype (drawn in float32 on the CPU, then moved and cast).
   *
   * @param options `seed`: an integer from 0 to 2⁶⁴ − 1. @default 0
   */
  static async randn(
    shape: readonly number[],
    options: TensorOptions & { readonly seed?: number | bigint } & JobOptions = {},
  ): Promise<Tensor> {
    const { seed = 0, ...rest } = parseOptions(randnOptions, options, 'Tensor.randn');
    using source = new NoiseSource(seed);
    return await source.randn(shape, rest);
  }

  /** Joins tensors along an existing dimension. */
  static cat(tensors: readonly Tensor[], dim = 0, options: JobOptions = {}): Promise<Tensor> {
    return op('cat', tensors, { dim }, options);
  }

  /** Joins tensors of one shape along a new dimension. */
  static stack(tensors: readonly Tensor[], dim = 0, options: JobOptions = {}): Promise<Tensor> {
    return op('stack', tensors, { dim }, options);
  }

  /** @internal */
  get [handleKey](): TensorHandle {
    const { buffer } = this.#borrowed ?? {};
    if (buffer && buffer.byteLength === 0 && this.#handle.byteLength > 0) {
      throw new LatentrayError('ERR_DISPOSED', 'Tensor: the borrowed buffer was transferred away');
    }
    return this.#handle;
  }

  get shape(): readonly number[] {
    return this.#handle.shape;
  }

  get dtype(): DType {
    return this.#handle.dtype;
  }

  /** `'cpu'` or `'cuda:N'`. */
  get device(): string {
    return this.#handle.device;
  }

  get byteLength(): number {
    return this.#handle.byteLength;
  }

  get disposed(): boolean {
    return this.#handle.disposed;
  }

  /**
   * The tensor's own memory as a typed array; the array of a tensor made by {@link Tensor.from}. A copy
   * only where the memory is not dense or not aligned (some tensors of a mapped file), or where the
   * runtime refuses external memory (Electron).
   *
   * @throws `ERR_DEVICE_UNAVAILABLE` for a tensor that is not on the CPU.
   */
  data(): TypedArray {
    const handle = this[handleKey];
    if (this.#borrowed && !handle.disposed) return this.#borrowed;
    this.#view ??= new views[handle.dtype](handle.buffer());
    return this.#view;
  }

  /** The same values on another device or in another dtype; the tensor itself when neither changes. */
  async to(options: TensorOptions & JobOptions): Promise<Tensor> {
    const {
      dtype = this.dtype,
      device = this.device,
      signal,
    } = parseOptions(placedJobOptions, options, 'to');
    return new Tensor(
      await runJob(signal, (token) => addon().tensorTo(this[handleKey], dtype, device, token)),
    );
  }

  /** Element by element, with broadcasting. */
  add(other: Tensor | number, options: JobOptions = {}): Promise<Tensor> {
    return binary('add', this, other, options);
  }
  sub(other: Tensor | number, options: JobOptions = {}): Promise<Tensor> {
    return binary('sub', this, other, options);
  }
  mul(other: Tensor | number, options: JobOptions = {}): Promise<Tensor> {
    return binary('mul', this, other, options);
  }
  div(other: Tensor | number, options: JobOptions = {}): Promise<Tensor> {
    return binary('div', this, other, options);
  }

  /** The matrix product, batched over leading dimensions. */
  matmul(other: Tensor, options: JobOptions = {}): Promise<Tensor> {
    return op('matmul', [this, other], {}, options);
  }

  /** Elements `start` to before `end` along `dim`, a view of the same memory. */
  slice(dim: number, start: number, end: number, options: JobOptions = {}): Promise<Tensor> {
    return op('slice', [this], { dim, start, end }, options);
  }

  /** The same elements in another shape; one dimension may be −1. */
  reshape(shape: readonly number[], options: JobOptions = {}): Promise<Tensor> {
    return op('reshape', [this], { shape }, options);
  }

  /** The dimensions in another order. */
  permute(dims: readonly number[], options: JobOptions = {}): Promise<Tensor> {
    return op('permute', [this], { dims }, options);
  }

  /** The sum over `dims`, all by default. */
  sum(dims: readonly number[] = [], keepdim = false, options: JobOptions = {}): Promise<Tensor> {
    return op('sum', [this], { dims, keepdim }, options);
  }

  /** The mean over `dims`, all by default; integers become float32. */
  mean(dims: readonly number[] = [], keepdim = false, options: JobOptions = {}): Promise<Tensor> {
    return op('mean', [this], { dims, keepdim }, options);
  }

  /** The Euclidean norm over `dims`, all by default; integers become float32. */
  norm(dims: readonly number[] = [], keepdim = false, options: JobOptions = {}): Promise<Tensor> {
    return op('norm', [this], { dims, keepdim }, options);
  }

  softmax(dim: number, options: JobOptions = {}): Promise<Tensor> {
    return op('softmax', [this], { dim }, options);
  }

  clamp(min: number, max: number, options: JobOptions = {}): Promise<Tensor> {
    return op('clamp', [this], { min, max }, options);
  }

  exp(options: JobOptions = {}): Promise<Tensor> {
    return op('exp', [this], {}, options);
  }

  sqrt(options: JobOptions = {}): Promise<Tensor> {
    return op('sqrt', [this], {}, options);
  }

  tanh(options: JobOptions = {}): Promise<Tensor> {
    return op('tanh', [this], {}, options);
  }

  /** Gives the memory back; twice is fine. Views that `data()` returned stay valid. */
  dispose(): void {
    this.#handle.dispose();
    this.#view = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @internal The native handle of a tensor of any copy of this package; `name` is the argument's. */
export function handleOf(tensor: Tensor | undefined, name = 'tensor'): TensorHandle {
  const handle = (tensor as { [handleKey]?: TensorHandle } | undefined)?.[handleKey];
  if (!handle) throw invalidArgument(name, 'a Tensor', tensor);
  return handle;
}

async function op(
  name: string,
  tensors: readonly Tensor[],
  attributes: OpAttributes,
  options: JobOptions,
): Promise<Tensor> {
  const { signal } = parseOptions(jobOptions, options, name);
  if (!Array.isArray(tensors)) throw invalidArgument('tensors', 'an array of Tensors', tensors);
  const handles = tensors.map((tensor) => handleOf(tensor));
  return new Tensor(
    await runJob(signal, (token) => addon().tensorOp(name, handles, attributes, token)),
  );
}

function binary(name: string, left: Tensor, right: Tensor | number, options: JobOptions) {
  return typeof right === 'number'
    ? op(name, [left], { value: right }, options)
    : op(name, [left, right], {}, options);
}

function asTypedArray(data: TypedArray | readonly number[], dtype: DType = 'float32'): TypedArray {
  if (!Array.isArray(data)) {
    if (ArrayBuffer.isView(data) && !(data instanceof DataView)) return data as TypedArray;
    throw invalidArgument('data', 'a typed array or an array of numbers', data);
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

function dtypeOf(array: TypedArray): DType {
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

function isViewOf(array: TypedArray, dtype: DType): boolean {
  return array instanceof views[dtype] || (dtype === 'uint8' && array instanceof Uint8ClampedArray);
}

function checkDtype(dtype: DType): void {
  if (Object.hasOwn(views, dtype)) return;
  const names = Object.keys(views).map((name) => `'${name}'`);
  throw new LatentrayError('ERR_DTYPE', `dtype: expected one of ${names}, received '${dtype}'`);
}

/**
 * Native code reads the memory of a borrowed buffer, so it must stay where it is. Node refuses to transfer
 * what is marked; `buffer.transfer()` of newer engines does not know the mark, and is refused here.
 */
function keepInPlace(buffer: ArrayBufferLike): void {
  markAsUntransferable(buffer);
  for (const method of ['transfer', 'transferToFixedLength']) {
    if (method in buffer && !Object.hasOwn(buffer, method)) {
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

function isResizable(buffer: ArrayBufferLike): boolean {
  const { resizable, growable } = buffer as { resizable?: boolean; growable?: boolean };
  return Boolean(resizable || growable);
}

/** @internal `ERR_INVALID_ARG` for anything but non-negative integers. */
export function checkShape(shape: readonly number[]): void {
  const valid =
    Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!valid) throw invalidArgument('shape', 'an array of non-negative integers', String(shape));
}
