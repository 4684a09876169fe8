import { invalidArgument } from '../errors.js';
import { Image } from '../image/image.js';
import { imagesToTensorData } from '../image/pixel-layout.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import { handleOf, Tensor } from '../tensor.js';

/** How two batches are compared. */
export interface SimilarityOptions extends JobOptions {
  /** The distance of white from black in tensors: 1 for [0, 1], 2 for [−1, 1]. @default 1 */
  readonly dataRange?: number;
}

/** An image, several of one size, or a tensor [N, C, H, W] of floating point. */
export type ImageBatch = Image | readonly Image[] | Tensor;

/** Root mean squared error, one figure an image, in units of the data range (0 … 1 for images). */
export function rmse(a: ImageBatch, b: ImageBatch, options?: SimilarityOptions): Promise<number[]> {
  return similarity('rmse', a, b, options);
}

/** Peak signal-to-noise ratio in dB, one figure an image; Infinity for equal images. */
export function psnr(a: ImageBatch, b: ImageBatch, options?: SimilarityOptions): Promise<number[]> {
  return similarity('psnr', a, b, options);
}

/**
 * Structural similarity, one figure an image, at most 1. Wang et al. 2004 with a Gaussian window (11×11,
 * σ 1.5) inside the image, as scikit-image with `gaussian_weights=True, use_sample_covariance=False`.
 *
 * @throws `ERR_SHAPE` for images smaller than the window.
 */
export function ssim(a: ImageBatch, b: ImageBatch, options?: SimilarityOptions): Promise<number[]> {
  return similarity('ssim', a, b, options);
}

/**
 * Multi-scale structural similarity over five scales, one figure an image, as torchmetrics.
 *
 * @throws `ERR_SHAPE` for images under 176 pixels a side.
 */
export function msSsim(
  a: ImageBatch,
  b: ImageBatch,
  options?: SimilarityOptions,
): Promise<number[]> {
  return similarity('msSsim', a, b, options);
}

async function similarity(
  metric: 'rmse' | 'psnr' | 'ssim' | 'msSsim',
  a: ImageBatch,
  b: ImageBatch,
  { dataRange = 1, signal }: SimilarityOptions = {},
): Promise<number[]> {
  if (!(dataRange > 0)) throw invalidArgument('dataRange', 'a positive number', dataRange);
  const [left, right] = [handleOf(batchOf('a', a)), handleOf(batchOf('b', b))];
  const values = await runJob(signal, (token) =>
    addon().imageSimilarity(metric, left, right, dataRange, token),
  );
  return Array.from(new Tensor(values).data(), Number);
}

/** Images as [N, 3, H, W] in [0, 1], so that grey and RGB can be compared. */
function batchOf(name: string, batch: ImageBatch): Tensor {
  if (batch instanceof Tensor) return batch;
  const images = batch instanceof Image ? [batch] : batch;
  if (!Array.isArray(images)) throw invalidArgument(name, 'images or a tensor', batch);
  const { data, shape } = imagesToTensorData(images);
  return Tensor.from(
    data.map((value) => value / 2 + 0.5),
    { shape },
  );
}
