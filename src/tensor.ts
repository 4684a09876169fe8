import { z } from 'zod';
import { invalidArgument, LatentrayError } from './errors.js';
import { addon, type JobOptions, runJob } from './native/addon.js';
import type { DType, OpAttributes, TensorHandle } from './native/addon-types.js';
import { NoiseSource } from './noise-source.js';
import { checkedLater, jobOptions, parseOptions, placedJobOptions } from './parse-options.js';

import {
  asTypedArray,
  checkDtype,
  dtypeOf,
  isResizable,
  isViewOf,
  keepInPlace,
  type TypedArray,
  views,
} from './typed-array.js';

export type { DType } from './native/addon-types.js';
export type { TypedArray } from './typed-array.js';

/** Where and as what a new tensor is made. */
export interface TensorOptions {
  /** @default 'float32' */
  readonly dtype?: DType | undefined;
  /** `'cpu'`, `'cuda'` or `'cuda:N'`; never replaced by another. @default 'cpu' */
  readonly device?: string | undefined;
}

/** How a tensor of images is brought to another size. */
export interface ResizeOptions extends JobOptions {
  /** @default 'bilinear' */
  readonly kernel?: 'bilinear' | 'bicubic' | undefined;
  /** @default true */
  readonly antialias?: boolean | undefined;
}

const handleKey = Symbol.for('latentray.tensor.handle');

const { dtype, device } = placedJobOptions.shape;
const fromOptions = z.strictObject({ shape: checkedLater<readonly number[]>(), dtype });
const tensorOptions = z.strictObject({ dtype, device });
const resizeOptions = z.strictObject({
  ...jobOptions.shape,
  kernel: z.enum(['bilinear', 'bicubic']).default('bilinear'),
  antialias: z.boolean().default(true),
});
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
   * A tensor over `data`, without a copy: writing to one shows in the other. The array's buffer must stay
   * where it is: it can no longer be transferred to another thread, and its `transfer()` throws
   * `ERR_BORROWED`. What detaches it past these (`ArrayBuffer.prototype.transfer.call`, a BYOB stream
   * reader) is an `ERR_DISPOSED` at the next use, and undefined behaviour while a job computes with it: give
   * such arrays as a copy. Resizable buffers are copied.
   *
   * @param data a typed array, or a flat array of numbers (copied).
   * @param options `shape`: one dimension by default; `dtype`: follows the array, float32 for an array of
   * numbers, and is needed for `Uint16Array` (`'float16'` or `'bfloat16'`) and for `'bool'`.
   * @throws `ERR_SHAPE` when the shape does not hold exactly the array's elements; `ERR_DTYPE` when there is
   * no such dtype, or array and dtype do not go together.
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

  /**
   * Zeros of `shape`. An integer dtype holds whole numbers, `'bool'` 0 and 1.
   *
   * @param shape non-negative integers; `[]` is one number.
   * @throws `ERR_DTYPE`, `ERR_DEVICE_UNAVAILABLE`, and `ERR_OUT_OF_MEMORY` with `bytes`.
   */
  static zeros(shape: readonly number[], options: TensorOptions = {}): Tensor {
    return Tensor.full(shape, 0, options);
  }

  /** Ones of `shape`; as {@link Tensor.zeros}. */
  static ones(shape: readonly number[], options: TensorOptions = {}): Tensor {
    return Tensor.full(shape, 1, options);
  }

  /** `value` everywhere in `shape`, cast to the dtype; as {@link Tensor.zeros}. */
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
   * @throws as {@link Tensor.zeros}.
   */
  static async randn(
    shape: readonly number[],
    options: TensorOptions & { readonly seed?: number | bigint } & JobOptions = {},
  ): Promise<Tensor> {
    const { seed = 0, ...rest } = parseOptions(randnOptions, options, 'Tensor.randn');
    using source = new NoiseSource(seed);
    return await source.randn(shape, rest);
  }

  /**
   * Joins tensors along an existing dimension: sizes are equal in all others.
   *
   * @param dim from −rank to rank − 1, negative ones from the end, as everywhere here.
   * @throws `ERR_SHAPE` for shapes, dtypes or devices that do not fit, as every operation does; the message
   * has the shapes and LibTorch's reason.
   */
  static cat(tensors: readonly Tensor[], dim = 0, options: JobOptions = {}): Promise<Tensor> {
    return op('cat', tensors, { dim }, options);
  }

  /** Joins tensors of one shape along a new dimension, which has as many as there are tensors. */
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

  /** Sizes, outermost first; `[]` for one number. */
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

  /** Of all elements; a view of a larger tensor counts its own only. */
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

  /**
   * The same values on another device or in another dtype, rounded to nearest where it is narrower; the same
   * memory when neither changes.
   *
   * @throws `ERR_DTYPE`, `ERR_DEVICE_UNAVAILABLE`, `ERR_OUT_OF_MEMORY`.
   */
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

  /**
   * The sum element by element, with PyTorch's broadcasting and type promotion: sizes are equal or 1, from
   * the last dimension on.
   */
  add(other: Tensor | number, options: JobOptions = {}): Promise<Tensor> {
    return binary('add', this, other, options);
  }
  /** The difference; as {@link Tensor.add}. */
  sub(other: Tensor | number, options: JobOptions = {}): Promise<Tensor> {
    return binary('sub', this, other, options);
  }
  /** The product, element by element; as {@link Tensor.add}. */
  mul(other: Tensor | number, options: JobOptions = {}): Promise<Tensor> {
    return binary('mul', this, other, options);
  }
  /** The quotient; as {@link Tensor.add}. Integers become float32; division by zero is infinite or NaN. */
  div(other: Tensor | number, options: JobOptions = {}): Promise<Tensor> {
    return binary('div', this, other, options);
  }

  /** The matrix product, [..., n, k] · [..., k, m] → [..., n, m], batched over leading dimensions. */
  matmul(other: Tensor, options: JobOptions = {}): Promise<Tensor> {
    return op('matmul', [this, other], {}, options);
  }

  /**
   * Elements `start` to before `end` along `dim`, a view of the same memory. Negative ones count from the end;
   * what lies outside is cut.
   */
  slice(dim: number, start: number, end: number, options: JobOptions = {}): Promise<Tensor> {
    return op('slice', [this], { dim, start, end }, options);
  }

  /** The same elements in another shape, a view where the memory allows it; one dimension may be −1. */
  reshape(shape: readonly number[], options: JobOptions = {}): Promise<Tensor> {
    return op('reshape', [this], { shape }, options);
  }

  /** The dimensions in another order, as a copy; `dims` names each once. */
  permute(dims: readonly number[], options: JobOptions = {}): Promise<Tensor> {
    return op('permute', [this], { dims }, options);
  }

  /** The sum over `dims`, all by default; `keepdim` leaves them as 1. Integers become int64. */
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

  /** exp(x) over its sum along `dim`: floating point, 0 … 1. */
  softmax(dim: number, options: JobOptions = {}): Promise<Tensor> {
    return op('softmax', [this], { dim }, options);
  }

  /** Values cut to `min` … `max`. */
  clamp(min: number, max: number, options: JobOptions = {}): Promise<Tensor> {
    return op('clamp', [this], { min, max }, options);
  }

  /** eˣ, element by element; integers become float32. */
  exp(options: JobOptions = {}): Promise<Tensor> {
    return op('exp', [this], {}, options);
  }

  /** The square root, NaN below 0; integers become float32. */
  sqrt(options: JobOptions = {}): Promise<Tensor> {
    return op('sqrt', [this], {}, options);
  }

  /** The hyperbolic tangent, −1 … 1; integers become float32. */
  tanh(options: JobOptions = {}): Promise<Tensor> {
    return op('tanh', [this], {}, options);
  }

  /**
   * Images [N, C, H, W] at another size. With antialiasing, PyTorch's `interpolate(antialias=True)` and PIL's
   * `resize`: PIL's float images to rounding, its 8-bit ones (uint8 tensors) to one grey level.
   *
   * @param size [height, width].
   * @param options `kernel`: `'bilinear'` by default, or `'bicubic'`, which overshoots at edges; `antialias`:
   * true by default. Without it a smaller image leaves pixels out.
   * @throws `ERR_SHAPE` unless there are four dimensions and a size of at least one pixel.
   */
  async resize(
    size: readonly [height: number, width: number],
    options: ResizeOptions = {},
  ): Promise<Tensor> {
    const { kernel, antialias, ...rest } = parseOptions(resizeOptions, options, 'resize');
    checkShape(size);
    return op('resize', [this], { size, bicubic: kernel === 'bicubic', antialias }, rest);
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

/** @internal `ERR_INVALID_ARG` for anything but non-negative integers. */
export function checkShape(shape: readonly number[]): void {
  const valid =
    Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!valid) throw invalidArgument('shape', 'an array of non-negative integers', String(shape));
}
