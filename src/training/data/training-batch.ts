import { z } from 'zod';
import { LatentrayError } from '../../errors.js';
import { parseOptions } from '../../parse-options.js';
import { Tensor } from '../../tensor.js';
import type { Size } from './placement.js';
import { joinPixels } from './sample-tensors.js';
import type { TrainingRecord } from './training-sample.js';

/** Which samples make a batch. */
export interface TrainingBatchRequest {
  readonly indices: readonly number[];
  /** The step, from 0. */
  readonly step: number;
  /** A number for each sample, which counts through all epochs. */
  readonly sampleNumbers: readonly number[];
}

/** A batch to train on. Its tensors are the caller's: dispose of it. */
export interface TrainingBatch extends TrainingBatchRequest {
  /** [N, 3, H, W] in [−1, 1], float32 on the CPU. */
  readonly pixels: Tensor;
  /** [N, 1, H, W] in [0, 1], where any of the data has a mask; ones for samples without. */
  readonly mask: Tensor | undefined;
  readonly texts: readonly string[];
  readonly ids: readonly string[];
  /** 0 for a sample whose random crop shows nothing of its mask. */
  readonly weights: readonly number[];
  dispose(): void;
  [Symbol.dispose](): void;
}

/** One sample of a batch. */
export interface DecodedSample {
  readonly record: TrainingRecord;
  /** [1 or 3, H, W] */
  readonly pixels: Tensor;
  /** [1, H, W] */
  readonly mask: Tensor | undefined;
  readonly weight: number;
  dispose(): void;
}

const natural = z.int().min(0);
const requestSchema = z
  .strictObject({
    indices: z.array(natural).min(1),
    step: natural.max(2 ** 32 - 1),
    sampleNumbers: z.array(natural),
  })
  .refine(({ indices, sampleNumbers }) => indices.length === sampleNumbers.length, {
    path: ['sampleNumbers'],
    message: 'expected one for each of indices',
  });

/** @throws LatentrayError `ERR_INVALID_ARG`, also for an index that is not below `length`. */
export function checkRequest(request: unknown, length: number): TrainingBatchRequest {
  const parsed = parseOptions(requestSchema, request, 'batch');
  const outside = parsed.indices.find((index) => index >= length);
  if (outside === undefined) return parsed;
  const message = `batch: indices: expected numbers below ${length}, found ${outside}`;
  throw new LatentrayError('ERR_INVALID_ARG', message, { argument: 'indices' });
}

/** Joins samples, which are disposed of. */
export async function joinSamples(
  request: TrainingBatchRequest,
  samples: readonly DecodedSample[],
  size: Size,
  signal: AbortSignal | undefined,
): Promise<TrainingBatch> {
  try {
    const pixels = await joinPixels(
      samples.map((sample) => sample.pixels),
      size,
      signal,
    );
    const masks = samples.flatMap(({ mask }) => mask ?? []);
    const mask = masks.length > 0 ? await Tensor.stack(masks, 0, { signal }) : undefined;
    const dispose = () => {
      pixels.dispose();
      mask?.dispose();
    };
    return {
      ...request,
      pixels,
      mask,
      texts: samples.map(({ record }) => record.text),
      ids: samples.map(({ record }) => record.id),
      weights: samples.map(({ weight }) => weight),
      dispose,
      [Symbol.dispose]: dispose,
    };
  } finally {
    for (const sample of samples) sample.dispose();
  }
}
