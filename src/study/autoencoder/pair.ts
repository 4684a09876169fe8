import { type DatasetRecord, type Image, Tensor } from '../../index.js';

/** A radiograph and what the autoencoder makes of it. */
export interface Pair {
  readonly record: DatasetRecord;
  readonly original: Image;
  readonly restored: Image;
}

/** Grey images as [N, 1, H, W] in [0, 1]; colours count as their mean. */
export function greyTensor(images: readonly Image[]): Tensor {
  const { width = 0, height = 0 } = images[0] ?? {};
  const data = new Float32Array(images.length * width * height);
  images.forEach(({ pixels, channels }, index) => {
    const start = index * width * height;
    for (let i = 0; i < width * height; ++i) {
      let sum = 0;
      for (let channel = 0; channel < channels; ++channel)
        sum += pixels[i * channels + channel] ?? 0;
      data[start + i] = sum / channels;
    }
  });
  return Tensor.from(data, { shape: [images.length, 1, height, width] });
}
