import { cosineSimilarity, fitImage, type Image, Tensor } from '../../index.js';

/** Pixels of both sides: enough to know a radiograph again, too few for noise to matter. */
const side = 32;

/** A thumbnail of each image, grey, its mean taken off: [N, 1024]. Their cosine is the correlation of pixels. */
export async function thumbnails(
  images: readonly Image[],
  signal: AbortSignal | undefined,
): Promise<Tensor> {
  const data = new Float32Array(images.length * side * side);
  for (const [index, image] of images.entries()) {
    const small = await fitImage(image, { width: side, height: side, fit: 'stretch', signal });
    data.set(centred(small), index * side * side);
  }
  return Tensor.from(data, { shape: [images.length, side * side] });
}

/** For each row of `a` the nearest of `b`, and how near it is. */
export async function nearestOf(
  a: Tensor,
  b: Tensor,
  signal: AbortSignal | undefined,
): Promise<{ readonly row: number; readonly similarity: number }[]> {
  using matrix = await cosineSimilarity(a, b, { signal });
  const values = matrix.data() as Float32Array;
  const [rows = 0, columns = 0] = matrix.shape;
  return Array.from({ length: rows }, (_, index) => {
    const line = values.subarray(index * columns, (index + 1) * columns);
    const row = line.reduce((best, value, at) => (value > (line[best] ?? -1) ? at : best), 0);
    return { row, similarity: line[row] ?? Number.NaN };
  });
}

function centred({ pixels, channels }: Image): Float32Array {
  const grey = new Float32Array(side * side);
  pixels.forEach((value, index) => {
    const place = Math.floor(index / channels);
    grey[place] = (grey[place] ?? 0) + value / channels;
  });
  const centre = grey.reduce((sum, value) => sum + value, 0) / grey.length;
  return grey.map((value) => value - centre);
}
