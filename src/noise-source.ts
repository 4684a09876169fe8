import { invalidArgument } from './errors.js';
import { addon, type JobOptions, runJob } from './native/addon.js';
import type { NoiseSourceHandle } from './native/addon-types.js';
import { NativeObject } from './native/native-object.js';
import { parseOptions, placedJobOptions } from './parse-options.js';
import { checkShape, Tensor, type TensorOptions } from './tensor.js';

const handleKey = Symbol.for('latentray.noise-source.handle');

/**
 * Seeded random generators as PyTorch has them (`torch.Generator`, CPU mt19937). Each draw goes on where
 * the last one ended. One seed draws a whole batch; several draw one row each, as diffusers does with a
 * list of generators.
 */
export class NoiseSource extends NativeObject {
  readonly #handle: NoiseSourceHandle;

  /**
   * @param seeds integers from 0 to 2⁶⁴ − 1, one or several.
   * @throws `ERR_INVALID_ARG`.
   */
  constructor(seeds: number | bigint | readonly (number | bigint)[]) {
    const list = Array.isArray(seeds) ? seeds : [seeds];
    const handle = addon().createNoiseSource(list.map(toSeed));
    super(handle);
    this.#handle = handle;
  }

  /** @internal */
  get [handleKey](): NoiseSourceHandle {
    return this.#handle;
  }

  /**
   * Standard normal noise of `shape`, drawn in float32 on the CPU, then moved and cast: `torch.randn(shape,
   * generator=…)` bit for bit in float32.
   *
   * @param shape with several seeds, the first dimension is their number.
   * @throws `ERR_SHAPE` for another first dimension, `ERR_DTYPE`, `ERR_DEVICE_UNAVAILABLE`,
   * `ERR_OUT_OF_MEMORY`.
   */
  async randn(shape: readonly number[], options: TensorOptions & JobOptions = {}): Promise<Tensor> {
    const {
      dtype = 'float32',
      device = 'cpu',
      signal,
    } = parseOptions(placedJobOptions, options, 'randn');
    checkShape(shape);
    return new Tensor(
      await runJob(signal, (token) => addon().drawNoise(this.#handle, shape, dtype, device, token)),
    );
  }
}

/** @internal */
export function noiseHandleOf(source: NoiseSource): NoiseSourceHandle {
  const handle = (source as { [handleKey]?: NoiseSourceHandle } | undefined)?.[handleKey];
  if (!handle) throw invalidArgument('noise', 'a NoiseSource', source);
  return handle;
}

/** @internal A seed as the generator takes it. `ERR_INVALID_ARG` for anything but 0 … 2⁶⁴ − 1. */
export function toSeed(seed: number | bigint): bigint {
  const valid = typeof seed === 'bigint' || Number.isSafeInteger(seed);
  const value = valid ? BigInt(seed) : -1n;
  if (value < 0n || value >= 2n ** 64n)
    throw invalidArgument('seed', 'an integer from 0 to 2⁶⁴ − 1', seed);
  return value;
}
