import { LatentrayError } from '../errors.js';
import { parseOptions } from '../parse-options.js';
import { Tensor } from '../tensor.js';
import { batchOf, type ImageBatch } from './image-batch.js';
import { msSsim, type SsimOptions, ssimOptions } from './image-similarity.js';

/** How alike the images of one prompt are. */
export interface Diversity {
  /** The mean MS-SSIM of all pairs; lower is more diverse. */
  readonly value: number;
  /** Of images 0 and 1, 0 and 2, … 1 and 2, … */
  readonly pairs: number[];
}

/**
 * Diversity within a prompt: the mean MS-SSIM of all pairs of images that one prompt gave. Average it over
 * prompts, with as many images each.
 *
 * @param images at least two, of one size.
 * @param options `border`: `'cropped'` by default, pytorch_msssim's definition, which published figures use.
 * @throws as `msSsim`; `ERR_SHAPE` for fewer than two images.
 */
export async function diversity(images: ImageBatch, options: SsimOptions = {}): Promise<Diversity> {
  const parsed = parseOptions(ssimOptions, options, 'diversity');
  const { border = 'cropped', dataRange, signal } = parsed;
  const batch = batchOf('images', images);
  const [count = 0] = batch.shape;
  if (batch.shape.length !== 4 || count < 2) {
    throw new LatentrayError(
      'ERR_SHAPE',
      `images: expected at least two, [N, C, H, W], received [${batch.shape}]`,
    );
  }
  const pairs: number[] = [];
  for (let first = 0; first + 1 < count; ++first) {
    using one = await batch.slice(0, first, first + 1, { signal });
    using others = await batch.slice(0, first + 1, count, { signal });
    using repeated = await Tensor.cat(Array(count - first - 1).fill(one), 0, { signal });
    pairs.push(...(await msSsim(repeated, others, { border, dataRange, signal })));
  }
  if (batch !== images) batch.dispose();
  return { value: pairs.reduce((sum, pair) => sum + pair, 0) / pairs.length, pairs };
}
