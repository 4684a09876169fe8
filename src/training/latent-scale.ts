import { z } from 'zod';
import { LatentrayError } from '../errors.js';
import type { Autoencoder } from '../models/autoencoder.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { handleOf, type Tensor } from '../tensor.js';
import { type ProcessGroup, processGroupOption } from './process-group.js';

/** How the latents of a data set are distributed. */
export interface LatentScale {
  /** 1 / `deviation`: with it as {@link Autoencoder.scalingFactor}, latents have unit variance. */
  readonly scale: number;
  readonly mean: number;
  readonly deviation: number;
  /** How many numbers were measured. */
  readonly count: number;
}

export interface MeasureLatentScaleOptions extends JobOptions {
  /** Measures over the batches of all its processes. */
  readonly processGroup?: ProcessGroup;
}

const measureOptions = z.strictObject({
  ...jobOptions.shape,
  processGroup: processGroupOption,
});

/**
 * Measures an autoencoder's latents on images, so that a diffusion model can be trained on latents of unit
 * variance. What is measured is what the encoder says of each image, mean and variance; nothing is drawn.
 *
 * Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022), appendix G.
 *
 * @param batches - Pixels [N, 3, H, W] in [−1, 1], of the autoencoder's dtype and on its device.
 * @throws `ERR_SHAPE`, `ERR_DTYPE`; `ERR_INVALID_ARG` without batches; `ERR_NON_FINITE` for latents without
 * variance, or that are no numbers.
 */
export async function measureLatentScale(
  autoencoder: Autoencoder,
  batches: Iterable<Tensor> | AsyncIterable<Tensor>,
  options: MeasureLatentScaleOptions = {},
): Promise<LatentScale> {
  const { signal, processGroup } = parseOptions(measureOptions, options, 'measureLatentScale');
  let sums = [0, 0, 0];
  for await (const batch of batches) {
    const pixels = handleOf(batch, 'batches');
    const { count, sum, sumOfSquares } = await runJob(signal, async (token) =>
      addon().latentSums(autoencoder.handle, pixels, token),
    );
    sums = [count, sum, sumOfSquares].map((value, i) => value + (sums[i] ?? 0));
  }
  if (processGroup) sums = await processGroup.sum(sums, { ...(signal && { signal }) });
  const [count = 0, sum = 0, sumOfSquares = 0] = sums;
  if (count === 0) {
    throw new LatentrayError('ERR_INVALID_ARG', 'batches: expected at least one batch of images');
  }
  const mean = sum / count;
  const deviation = Math.sqrt(sumOfSquares / count - mean ** 2);
  if (!(deviation > 0 && Number.isFinite(deviation))) {
    throw new LatentrayError(
      'ERR_NON_FINITE',
      `measureLatentScale: the latents' deviation is ${deviation}; train the autoencoder first`,
    );
  }
  return { scale: 1 / deviation, mean, deviation, count };
}
