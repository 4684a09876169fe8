import { z } from 'zod';
import { invalidArgument } from '../errors.js';
import { type FitOptions, toTensorData } from '../image/fit-images.js';
import { Image } from '../image/image.js';
import { Autoencoder, type PieceOptions, pieceOptions } from '../models/autoencoder.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import { checkedLater, jobOptions, parseOptions } from '../parse-options.js';
import { handleOf, Tensor } from '../tensor.js';
import { bytesToImages, madeHere } from './images.js';
import { modelDigest } from './model-digest.js';

/** How images go through an autoencoder. */
export interface ReconstructOptions extends PieceOptions, JobOptions {
  /** Brings images to one size first; without it they must have one, a multiple of the downscale. */
  readonly size?: FitOptions;
}

const reconstructOptions = z.strictObject({
  ...pieceOptions.shape,
  ...jobOptions.shape,
  size: checkedLater<FitOptions>(),
});

/**
 * Encodes images and decodes their latents' mean: what the autoencoder keeps of them.
 *
 * @returns Images of the same size, grey where all are grey (the mean of the decoded channels), else RGB;
 * each says that a model made it.
 * @throws `ERR_INVALID_ARG` when sizes differ, `ERR_SHAPE` when they do not suit the autoencoder.
 */
export async function reconstruct(
  vae: Autoencoder,
  images: readonly Image[],
  options: ReconstructOptions = {},
): Promise<Image[]> {
  if (!(vae instanceof Autoencoder)) throw invalidArgument('vae', 'an Autoencoder', vae);
  if (!Array.isArray(images) || !images.every((image) => image instanceof Image)) {
    throw invalidArgument('images', 'an array of Images', images);
  }
  const { size, signal, ...pieces } = parseOptions(reconstructOptions, options, 'reconstruct');
  if (images.length === 0) return [];
  const { data, shape } = await toTensorData(images, size);
  using pixels = await Tensor.from(data, { shape }).to({
    dtype: vae.dtype,
    device: vae.device,
    signal,
  });
  const { latents } = await vae.encode(pixels, { ...pieces, signal });
  using decoded = await vae.decode(latents, { ...pieces, signal });
  latents.dispose();
  const grey = images.every(({ channels }) => channels === 1);
  const convert = grey ? addon().pixelsToGreyBytes : addon().pixelsToBytes;
  using bytes = new Tensor(await runJob(signal, (token) => convert(handleOf(decoded), token)));
  const digest = await modelDigest(vae);
  const settings = { kind: 'reconstruction', dtype: vae.dtype, device: vae.device };
  return bytesToImages(bytes, () => madeHere({ modelDigest: digest, settings }));
}
