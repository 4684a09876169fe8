import type { Image } from '../image/image.js';

/** @internal Pixels of a vector's side: what is left of a radiograph is where its parts lie and how bright they are. */
export const vectorSide = 32;

/** Below this spread of its pixels (of 1) an image shows nothing. */
const blankSpread = 0.01;

/**
 * @internal An image as a vector of length 1 without its brightness and contrast, so that the product of two is the
 * correlation of their pixels. All zeros for an image that shows nothing.
 */
export function pixelVector({ pixels, channels, width, height }: Image): Float32Array {
  const colours = Math.min(channels, 3);
  const grey = Float32Array.from({ length: width * height }, (_, i) => {
    let sum = 0;
    for (let c = 0; c < colours; ++c) sum += pixels[i * channels + c] as number;
    return sum / colours;
  });
  const mean = grey.reduce((sum, value) => sum + value, 0) / grey.length;
  const centred = grey.map((value) => value - mean);
  const length = Math.sqrt(centred.reduce((sum, value) => sum + value * value, 0));
  if (length / Math.sqrt(grey.length) < blankSpread) return new Float32Array(grey.length);
  return centred.map((value) => value / length);
}

/** @internal */
export function isBlank(vector: Float32Array): boolean {
  return vector.every((value) => value === 0);
}

/** @internal The correlation of two images, −1 … 1. */
export function similarityOf(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}
