import { LatentrayError } from '../../errors.js';
import { Tensor } from '../../tensor.js';
import { datasetError } from './dataset-error.js';
import { decodePicture } from './decode-picture.js';
import { type Placement, placementOf, type Size } from './placement.js';
import { maskOf, pixelsOf } from './sample-tensors.js';
import type { DecodedSample } from './training-batch.js';
import type { ParsedTrainingDataOptions } from './training-data-options.js';
import type { Picture, TrainingRecord } from './training-sample.js';

/** Where in a run a sample is used. */
export interface SamplePosition {
  readonly step: number;
  readonly sampleNumber: number;
}

/** Turns records into tensors. */
export class SampleDecoder {
  readonly #options: ParsedTrainingDataOptions;
  /** Whether every sample gets a mask. */
  readonly #hasMasks: boolean;

  constructor(options: ParsedTrainingDataOptions, hasMasks: boolean) {
    this.#options = options;
    this.#hasMasks = hasMasks;
  }

  /** @throws LatentrayError with the record's `id`. */
  decode(
    record: TrainingRecord,
    position: SamplePosition,
    signal: AbortSignal | undefined,
  ): Promise<DecodedSample> {
    return naming(record, async () => {
      const placement = this.#placement(position);
      const samples = await this.#picture(record.image, placement, false);
      signal?.throwIfAborted();
      const pixels = await pixelsOf(samples, placement.target, signal);
      if (!this.#hasMasks) return sampleOf(record, pixels, undefined, record.weight);
      const mask = await this.#mask(record, placement, signal, samples.source);
      if (mask) return sampleOf(record, pixels, mask, record.weight);
      return sampleOf(record, pixels, allOfIt(placement.target), 0);
    });
  }

  /** A record's mask alone: [1, H, W]. */
  mask(record: TrainingRecord, signal: AbortSignal | undefined): Promise<Tensor> {
    return naming(record, async () => {
      const placement = this.#placement({ step: 0, sampleNumber: 0 });
      const mask = await this.#mask(record, placement, signal);
      return mask ?? allOfIt(placement.target);
    });
  }

  #placement({ step, sampleNumber }: SamplePosition): Placement {
    return placementOf(this.#options, step, sampleNumber);
  }

  #picture(picture: Picture, placement: Placement, isMask: boolean) {
    return decodePicture(picture, { placement, autoOrient: this.#options.autoOrient, isMask });
  }

  /** Undefined where the crop shows nothing of the mask. */
  async #mask(
    { mask, origin }: TrainingRecord,
    placement: Placement,
    signal: AbortSignal | undefined,
    expected?: Size,
  ): Promise<Tensor | undefined> {
    const { target, resize } = placement;
    if (!mask) return allOfIt(target);
    const samples = await this.#picture(mask, placement, true);
    signal?.throwIfAborted();
    const { width, height } = samples.source;
    if (expected && (width !== expected.width || height !== expected.height)) {
      const wanted = `the image's ${expected.width}×${expected.height} pixels`;
      throw datasetError(origin, `mask: expected ${wanted}, found ${width}×${height}`);
    }
    const tensor = await maskOf(samples, target, signal);
    using sum = await tensor.sum([], false, { signal });
    if (sum.data()[0] !== 0) return tensor;
    tensor.dispose();
    if (resize === 'random-crop') return undefined;
    throw datasetError(origin, 'mask: expected something white, found all of it black');
  }
}

function sampleOf(
  record: TrainingRecord,
  pixels: Tensor,
  mask: Tensor | undefined,
  weight: number,
): DecodedSample {
  const dispose = () => {
    pixels.dispose();
    mask?.dispose();
  };
  return { record, pixels, mask, weight, dispose };
}

/** The mask of a sample that has none. */
function allOfIt({ width, height }: Size): Tensor {
  return Tensor.ones([1, height, width]);
}

/** Gives errors the sample's id. */
async function naming<T>({ id }: TrainingRecord, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!LatentrayError.isInstance(error)) throw error;
    const { code, message, ...fields } = error;
    throw new LatentrayError(code, `image '${id}': ${message}`, { ...fields, id, cause: error });
  }
}
