import { z } from 'zod';
import { invalidArgument } from '../errors.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { Image, toSharp } from './image.js';
import { imagesToTensorData, type TensorData } from './pixel-layout.js';

/**
 * How an image of another size is brought to the size that is asked for: `'letterbox'` keeps all of it and
 * adds black bars, `'centre-crop'` fills the size and cuts what overhangs, `'stretch'` changes its
 * proportions, `'none'` refuses.
 */
export type Fit = 'letterbox' | 'centre-crop' | 'stretch' | 'none';

/** The size that images are brought to. */
export interface FitOptions {
  readonly width: number;
  readonly height: number;
  /**
   * Must be chosen when sizes differ: cutting a radiograph can cut the finding, and stretching it changes
   * the heart's shape.
   *
   * @default 'none'
   */
  readonly fit?: Fit;
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const fitOptions = z.strictObject({
  ...jobOptions.shape,
  width: z.int().positive(),
  height: z.int().positive(),
  fit: z.enum(['letterbox', 'centre-crop', 'stretch', 'none']).default('none'),
});

const sharpFit = { letterbox: 'contain', 'centre-crop': 'cover', stretch: 'fill' } as const;

/**
 * An image at another size, resampled with Lanczos' kernel; grey, depth and provenance stay. Nothing is
 * ever flipped or turned.
 *
 * @throws LatentrayError `ERR_INVALID_ARG` when the sizes differ and `fit` does not say what to do.
 */
export async function fitImage(image: Image, options: FitOptions): Promise<Image> {
  const { width, height, fit, signal } = parseOptions(fitOptions, options, 'fitImage');
  if (image.width === width && image.height === height) return image;
  if (fit === 'none') {
    throw invalidArgument(
      'image',
      `${width}×${height} pixels, or fit: 'letterbox', 'centre-crop' or 'stretch'`,
      `${image.width}×${image.height}`,
    );
  }
  signal?.throwIfAborted();
  const data = await toSharp(image)
    .resize(width, height, {
      fit: sharpFit[fit],
      position: 'centre',
      kernel: 'lanczos3',
      background: { r: 0, g: 0, b: 0, alpha: 1 },
    })
    .raw({ depth: image.bitDepth === 16 ? 'ushort' : 'uchar' })
    .toBuffer();
  signal?.throwIfAborted();
  const { channels, provenance } = image;
  const bytes = new Uint8Array(data);
  const samples = image.bitDepth === 16 ? new Uint16Array(bytes.buffer) : bytes;
  return new Image({ width, height, channels, data: samples, provenance });
}

/**
 * Images as a batch for the autoencoder, [N, 3, H, W] in [−1, 1].
 *
 * @param images - Of any size when `fit` is given.
 * @param options - Without them, all images must have the size of the first.
 * @throws LatentrayError `ERR_INVALID_ARG` naming the sizes when they differ and no `fit` was chosen.
 */
export async function toTensorData(
  images: readonly Image[],
  options?: FitOptions,
): Promise<TensorData> {
  if (!options) return imagesToTensorData(images);
  return imagesToTensorData(await Promise.all(images.map((image) => fitImage(image, options))));
}
