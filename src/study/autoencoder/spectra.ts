import { metrics, type Tensor } from '../../index.js';
import { greyTensor, type Pair } from './pair.js';

/** Mean power of many images by spatial frequency. */
export interface Spectra {
  /** Cycles a pixel, 0 … 1/2. */
  readonly frequencies: readonly number[];
  readonly original: readonly number[];
  readonly restored: readonly number[];
  /** Of the differences. */
  readonly error: readonly number[];
  /** `error / original`: 0 where all is kept, 1 where the error is as strong as what was there. */
  readonly lost: readonly number[];
}

/** What the autoencoder throws away, by frequency. */
export class SpectrumMeans {
  #count = 0;
  readonly #original: number[] = [];
  readonly #restored: number[] = [];
  readonly #error: number[] = [];
  #side = 0;

  async add(pairs: readonly Pair[], signal: AbortSignal | undefined): Promise<void> {
    using original = greyTensor(pairs.map((pair) => pair.original));
    using restored = greyTensor(pairs.map((pair) => pair.restored));
    using error = await restored.sub(original, { signal });
    await addPowers(this.#original, original, signal);
    await addPowers(this.#restored, restored, signal);
    await addPowers(this.#error, error, signal);
    this.#count += pairs.length;
    this.#side = Math.min(...original.shape.slice(2));
  }

  means(): Spectra {
    const means = (sums: readonly number[]) => sums.map((sum) => sum / this.#count);
    const [original, error] = [means(this.#original), means(this.#error)];
    return {
      frequencies: original.map((_, ring) => ring / this.#side),
      original,
      restored: means(this.#restored),
      error,
      lost: error.map((power, ring) => power / (original[ring] ?? Number.NaN)),
    };
  }
}

async function addPowers(
  sums: number[],
  images: Tensor,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const powers of await metrics.powerSpectrum(images, { signal })) {
    powers.forEach((power, ring) => {
      sums[ring] = (sums[ring] ?? 0) + power;
    });
  }
}
