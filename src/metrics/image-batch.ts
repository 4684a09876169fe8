import { invalidArgument } from '../errors.js';
import { Image } from '../image/image.js';
import { imagesToTensorData } from '../image/pixel-layout.js';
import { Tensor } from '../tensor.js';

/** An image, several of one size, or a tensor [N, C, H, W] of floating point. */
export type ImageBatch = Image | readonly Image[] | Tensor;

/** @internal Images as [N, 3, H, W] in [0, 1], so that grey and RGB can be compared. */
export function batchOf(name: string, batch: ImageBatch): Tensor {
  if (batch instanceof Tensor) return batch;
  const images = batch instanceof Image ? [batch] : batch;
  if (!Array.isArray(images)) throw invalidArgument(name, 'images or a tensor', batch);
  const { data, shape } = imagesToTensorData(images);
  return Tensor.from(
    data.map((value) => value / 2 + 0.5),
    { shape },
  );
}
