import { LatentrayError } from '../../errors.js';
import { Tensor } from '../../tensor.js';
import type { Samples } from './decode-picture.js';
import type { Size } from './placement.js';

/**
 * [1 or 3, H, W] in [−1, 1]. It is computed by the executor: on the event loop, touching so much fresh memory
 * would hold up timers.
 *
 * @throws LatentrayError `ERR_INVALID_ARG` for an image with transparent parts.
 */
export async function pixelsOf(
  samples: Samples,
  size: Size,
  signal?: AbortSignal,
): Promise<Tensor> {
  checkOpaque(samples);
  using unit = await unitPlanes(samples, size, signal);
  using doubled = await unit.mul(2, { signal });
  if (samples.channels !== 4) return doubled.sub(1, { signal });
  using range = await doubled.sub(1, { signal });
  return range.slice(0, 0, 3, { signal });
}

/** Images [1 or 3, H, W] as one batch [N, 3, H, W]: grey becomes three equal channels. */
export async function joinPixels(
  images: readonly Tensor[],
  { width, height }: Size,
  signal?: AbortSignal,
): Promise<Tensor> {
  const planes = images.flatMap((image) =>
    image.shape[0] === 1 ? [image, image, image] : [image],
  );
  using joined = await Tensor.cat(planes, 0, { signal });
  return joined.reshape([images.length, 3, height, width], { signal });
}

/** [1, H, W] in [0, 1]. */
export function maskOf(samples: Samples, size: Size, signal?: AbortSignal): Promise<Tensor> {
  return unitPlanes(samples, size, signal);
}

/**
 * A mask for the latents: each of its values is the mean of the pixels that a latent stands for.
 *
 * @param mask - [N, 1, H, W]
 * @param downscale - Pixels a latent, along each side.
 * @returns [N, 1, H / downscale, W / downscale]
 * @throws LatentrayError `ERR_SHAPE` when H or W is no multiple of `downscale`.
 */
export async function latentMask(
  mask: Tensor,
  downscale: number,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Tensor> {
  const [count = 0, channels, height = 0, width = 0] = mask.shape;
  const isWhole = height % downscale === 0 && width % downscale === 0;
  if (mask.shape.length !== 4 || channels !== 1 || !isWhole) {
    const expected = `[N, 1, H, W] with sides that ${downscale} divides`;
    throw new LatentrayError('ERR_SHAPE', `mask: expected ${expected}, found [${mask.shape}]`, {
      actualShape: mask.shape,
    });
  }
  const [rows, columns] = [height / downscale, width / downscale];
  const blocks = [count, 1, rows, downscale, columns, downscale];
  using grouped = await mask.reshape(blocks, { signal });
  return grouped.mean([3, 5], false, { signal });
}

async function unitPlanes(
  { data, channels, white }: Samples,
  { width, height }: Size,
  signal: AbortSignal | undefined,
): Promise<Tensor> {
  using interleaved = Tensor.from(data, { shape: [height, width, channels] });
  using planes = await interleaved.permute([2, 0, 1], { signal });
  return planes.div(white, { signal });
}

function checkOpaque({ data, channels, white }: Samples): void {
  if (channels !== 4) return;
  for (let i = 3; i < data.length; i += 4) {
    if (data[i] === white) continue;
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      'expected an image without transparent parts, found one with them. Flatten it first',
    );
  }
}
