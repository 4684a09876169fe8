import { invalidArgument, LatentrayError } from '../errors.js';
import type { Image } from '../image/image.js';
import { cutRegion, placeRegion, type Region, regionAround, type Size } from '../image/region.js';
import { addon, runJob } from '../native/addon.js';
import { handleOf, Tensor } from '../tensor.js';
import { bytesToImages } from './images.js';
import { type ImageInput, toMask, toPixels } from './input-images.js';

/** What a region is cut for. */
export interface MaskCropOptions {
  readonly image: ImageInput;
  readonly mask: ImageInput;
  /** Pixels around the white part. */
  readonly padding: number;
  /** What the region is painted at; by default the image's own size. */
  readonly size?: Size | undefined;
  /** The autoencoder's pixels a latent. */
  readonly downscale: number;
  readonly signal?: AbortSignal | undefined;
}

/** An image's region around the white part of its mask, at the size that it is painted at. */
export interface MaskCrop {
  readonly image: Image;
  readonly mask: Image;
  /** Painted regions [N, 3, h, w] in [−1, 1] → the whole images, the original's where the mask is black. */
  putBack(painted: Tensor): Promise<Tensor>;
}

/** Below it a sample of 8 bits is black. */
const black = 0.5 / 255;

/** diffusers' `padding_mask_crop`. */
export async function cropToMask(options: MaskCropOptions): Promise<MaskCrop> {
  const { padding, downscale, signal } = options;
  const [image, mask] = [onlyImage('image', options.image), onlyImage('mask', options.mask)];
  if (mask.width !== image.width || mask.height !== image.height) {
    const expected = `${image.width}×${image.height} pixels, as the image`;
    throw invalidArgument('mask', expected, `${mask.width}×${mask.height}`);
  }
  const size = options.size ?? {
    width: image.width - (image.width % downscale),
    height: image.height - (image.height % downscale),
  };
  const opacity = await toMask(mask, { name: 'mask', signal });
  const box = whiteBox(opacity.data() as Float32Array, image);
  const region = regionAround(box, padding, image, size);
  return {
    image: await cutRegion(image, region, size),
    mask: await cutRegion(mask, region, size),
    putBack: async (painted) => {
      const original = await toPixels(image, { name: 'image', signal });
      return blend(await placed(painted, region, image, signal), original, opacity);
    },
  };
}

function onlyImage(name: string, input: ImageInput): Image {
  const [only, ...others] = input instanceof Tensor ? [] : ([input].flat() as Image[]);
  if (only && others.length === 0) return only;
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `${name}: expected one Image with paddingMaskCrop, which cuts a region out of it`,
  );
}

/** The smallest region with all that is not black. */
function whiteBox(samples: Float32Array, { width, height }: Size): Region {
  const rows = Array.from({ length: height }, (_, y) =>
    samples.subarray(y * width, (y + 1) * width).some((sample) => sample > black),
  );
  const columns = Array.from({ length: width }, (_, x) =>
    rows.some((_, y) => (samples[y * width + x] as number) > black),
  );
  const [left, top] = [columns.indexOf(true), rows.indexOf(true)];
  if (top < 0) throw invalidArgument('mask', 'a white part to crop around', 'black alone');
  return {
    ...{ left, top },
    width: columns.lastIndexOf(true) + 1 - left,
    height: rows.lastIndexOf(true) + 1 - top,
  };
}

/** [N, 3, h, w] → [N, 3, H, W] in [−1, 1], float32 on the CPU. */
async function placed(
  painted: Tensor,
  region: Region,
  whole: Size,
  signal: AbortSignal | undefined,
): Promise<Tensor> {
  using bytes = new Tensor(
    await runJob(signal, (token) => addon().pixelsToBytes(handleOf(painted), token)),
  );
  const images = bytesToImages(bytes).map((image) => placeRegion(image, region, whole));
  return toPixels(await Promise.all(images), { name: 'image', signal });
}

/** `inside` where `opacity` [1, 1, H, W] is 1, `outside` where it is 0. */
async function blend(inside: Tensor, outside: Tensor, opacity: Tensor): Promise<Tensor> {
  const transparency = await (await opacity.mul(-1)).add(1);
  return (await inside.mul(opacity)).add(await outside.mul(transparency));
}
