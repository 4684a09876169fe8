import { addon, type JobOptions, runJob } from '../native/addon.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { handleOf, Tensor } from '../tensor.js';
import { batchOf, type ImageBatch } from './image-batch.js';

/**
 * How much of each image's variance lies at which spatial frequency. For a shorter side of S pixels, entry k
 * of S / 2 + 1 is the mean of |DFT|² / (H · W) over the frequencies that round to k / S cycles a pixel,
 * averaged over the channels. The mean is taken off and a Hann window laid over the pixels first; the
 * diagonals' frequencies beyond 1/2 are left out.
 *
 * @returns A list of powers for each image.
 * @throws `ERR_SHAPE` for sides under 4 pixels, `ERR_DTYPE` for integer tensors, `ERR_NON_FINITE`.
 */
export async function powerSpectrum(
  images: ImageBatch,
  options: JobOptions = {},
): Promise<number[][]> {
  const { signal } = parseOptions(jobOptions, options, 'powerSpectrum');
  const handle = handleOf(batchOf('images', images));
  using powers = new Tensor(await runJob(signal, (token) => addon().powerSpectrum(handle, token)));
  return rowsOf(powers);
}

function rowsOf(matrix: Tensor): number[][] {
  const [count = 0, width = 0] = matrix.shape;
  const data = matrix.data() as Float64Array;
  return Array.from({ length: count }, (_, row) => [
    ...data.subarray(row * width, (row + 1) * width),
  ]);
}
