import { z } from 'zod';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { handleOf, Tensor } from '../tensor.js';
import { batchOf, type ImageBatch } from './image-batch.js';

/** How two batches are compared. */
export interface SimilarityOptions extends JobOptions {
  /** The distance of white from black in tensors: 1 for [0, 1], 2 for [−1, 1]. @default 1 */
  readonly dataRange?: number | undefined;
}

/**
 * What SSIM does where its window (11×11) overhangs the image. Published figures differ by it, in the second
 * decimal.
 *
 * `'cropped'`: only windows inside the image count, in float64. Wang's definition, scikit-image's with
 * `gaussian_weights=True, use_sample_covariance=False`, and pytorch_msssim's.
 *
 * `'reflected'`: the image is mirrored at its border, in the images' own dtype (float32 at least).
 * torchmetrics' definition.
 */
export type SsimBorder = 'cropped' | 'reflected';

/** How two batches are compared by their structure. */
export interface SsimOptions extends SimilarityOptions {
  /** @default 'cropped' for `ssim`, 'reflected' for `msSsim` */
  readonly border?: SsimBorder | undefined;
}

const similarityOptions = z.strictObject({
  ...jobOptions.shape,
  dataRange: z.number().positive().default(1),
});
/** @internal */
export const ssimOptions = z.strictObject({
  ...similarityOptions.shape,
  border: z.enum(['cropped', 'reflected']).optional(),
});

/**
 * Root mean squared error over all pixels and channels, one figure an image, in the units of the pixels
 * (0 … 1 for images).
 *
 * @throws `ERR_SHAPE` when the batches' shapes differ; `ERR_DTYPE` for integer tensors; `ERR_NON_FINITE` for NaN
 * or infinite pixels; `ERR_INVALID_ARG` for images of several sizes. The other measures throw the same.
 */
export async function rmse(
  a: ImageBatch,
  b: ImageBatch,
  options: SimilarityOptions = {},
): Promise<number[]> {
  return similarity('rmse', a, b, parseOptions(similarityOptions, options, 'rmse'));
}

/**
 * Peak signal-to-noise ratio in dB, one figure an image: 20 · log10(data range / RMSE); Infinity for equal
 * images.
 *
 * @throws as {@link rmse}.
 */
export async function psnr(
  a: ImageBatch,
  b: ImageBatch,
  options: SimilarityOptions = {},
): Promise<number[]> {
  return similarity('psnr', a, b, parseOptions(similarityOptions, options, 'psnr'));
}

/**
 * Structural similarity (Wang et al. 2004) with a Gaussian window (11×11, σ 1.5), one figure an image, at
 * most 1, averaged over the channels.
 *
 * @param options `border`: `'cropped'` by default.
 * @throws as {@link rmse}; `ERR_SHAPE` for images under 11 pixels a side.
 */
export async function ssim(
  a: ImageBatch,
  b: ImageBatch,
  options: SsimOptions = {},
): Promise<number[]> {
  return similarity('ssim', a, b, parseOptions(ssimOptions, options, 'ssim'));
}

/**
 * Multi-scale structural similarity (Wang et al. 2003) over five scales, one figure an image, 0 … 1: negative
 * contrasts count as 0.
 *
 * @param options `border`: `'reflected'` by default.
 * @throws as {@link rmse}; `ERR_SHAPE` for images under 176 pixels a side, 161 with `border: 'cropped'`.
 */
export async function msSsim(
  a: ImageBatch,
  b: ImageBatch,
  options: SsimOptions = {},
): Promise<number[]> {
  const { border = 'reflected', ...rest } = parseOptions(ssimOptions, options, 'msSsim');
  return similarity('msSsim', a, b, { ...rest, border });
}

async function similarity(
  metric: 'rmse' | 'psnr' | 'ssim' | 'msSsim',
  a: ImageBatch,
  b: ImageBatch,
  { dataRange, border = 'cropped', signal }: z.output<typeof ssimOptions>,
): Promise<number[]> {
  const [left, right] = [handleOf(batchOf('a', a)), handleOf(batchOf('b', b))];
  using values = new Tensor(
    await runJob(signal, (token) =>
      addon().imageSimilarity(metric, left, right, dataRange, border, token),
    ),
  );
  return Array.from(values.data(), Number);
}
