import { LatentrayError } from '../errors.js';
import { addon, runJob } from '../native/addon.js';
import { type NoiseSource, noiseHandleOf } from '../noise-source.js';
import { handleOf, Tensor } from '../tensor.js';
import type { ParsedDiffusionOptions } from './generate-options.js';
import type { PipelineParts } from './parts.js';
import { spreadRows } from './rows.js';

/** Whose noise the latents of images are drawn with. */
export interface ImageDraw {
  readonly noise: NoiseSource;
  readonly seeds: readonly bigint[];
  /** Images that are made: a multiple of those that are given. */
  readonly count: number;
}

/**
 * Images as scaled latents [count, C, h, w], drawn from what the encoder says of them. One seed draws a row
 * for each image that is given, as diffusers does; a list of seeds draws each made image's own, so that it can be
 * made again alone.
 */
export async function sampleImageLatents(
  { vae, unet }: PipelineParts,
  pixels: Tensor,
  { noise, seeds, count }: ImageDraw,
  { slicing, tiling, signal }: ParsedDiffusionOptions,
): Promise<Tensor> {
  using own = await pixels.to({ dtype: vae.dtype, device: vae.device, signal });
  const { mean, logvar } = await vae.encode(own, { slicing, tiling, signal });
  const spread = async (tensor: Tensor) => (seeds.length > 1 ? spreadRows(tensor, count) : tensor);
  const [rows, rowsLogvar] = [await spread(mean), logvar && (await spread(logvar))];
  using drawn = new Tensor(
    await runJob(signal, (token) =>
      addon().sampleLatents(
        handleOf(rows),
        rowsLogvar ? handleOf(rowsLogvar) : null,
        noiseHandleOf(noise),
        token,
      ),
    ),
  );
  const scaled = await vae.scale(await spreadRows(drawn, count), { signal });
  return scaled.to({ dtype: unet.dtype, device: unet.device, signal });
}

/** Moves the generators on as {@link sampleImageLatents} does, without encoding anything. */
export async function skipImageDraw(
  { vae }: PipelineParts,
  { shape }: Tensor,
  { noise, seeds, count }: ImageDraw,
  { signal }: ParsedDiffusionOptions,
): Promise<void> {
  if (vae.config._class_name !== 'AutoencoderKL') return; // a tiny autoencoder draws nothing
  const [images = 0, , height = 0, width = 0] = shape;
  const rows = seeds.length > 1 ? count : images;
  const { latentChannels, downscale } = vae;
  const latentShape = [rows, latentChannels, height / downscale, width / downscale];
  (await noise.randn(latentShape, { signal })).dispose();
}

/** Noise of unit variance for latents of `shape`, where and as the U-Net computes. */
export function drawLatentNoise(
  { unet }: PipelineParts,
  noise: NoiseSource,
  shape: readonly number[],
  signal: AbortSignal | undefined,
): Promise<Tensor> {
  return noise.randn(shape, { dtype: unet.dtype, device: unet.device, signal });
}

/** `ERR_SHAPE` unless the autoencoder can take images of this size. */
export function checkPixelSize({ vae }: PipelineParts, { shape }: Tensor): void {
  const [, , height = 0, width = 0] = shape;
  if (height % vae.downscale === 0 && width % vae.downscale === 0) return;
  throw new LatentrayError(
    'ERR_SHAPE',
    `image: expected width and height to be multiples of ${vae.downscale}, received ${width}×${height}; ` +
      'size: { width, height, fit } brings Images to another size',
    { actualShape: shape },
  );
}

/**
 * The index of the run's first step, for a strength: how much of the run an image goes through.
 *
 * @param count - The run's steps in all.
 * @param order - Model calls a step.
 */
export function firstStep(strength: number, count: number, order: number): number {
  const made = Math.floor(count * strength);
  if (made >= 1) return (count - made) * order;
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `strength: ${strength} of ${count} steps is less than one step; expected at least ${1 / count}`,
  );
}
