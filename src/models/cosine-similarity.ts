import { addon, type JobOptions, runJob } from '../native/addon.js';
import { handleOf, Tensor } from '../tensor.js';

/**
 * How near texts are to each other: the cosine of every pair of vectors, −1 … 1. A vector of zeros has the
 * cosine 0.
 *
 * @param a [N, D], a vector a row, of any length.
 * @param b [M, D]. @default a
 * @returns [N, M]
 * @throws `ERR_SHAPE`, `ERR_DTYPE`, `ERR_DEVICE_UNAVAILABLE` when the two do not go together.
 */
export async function cosineSimilarity(
  a: Tensor,
  b: Tensor = a,
  options: JobOptions = {},
): Promise<Tensor> {
  const [left, right] = [handleOf(a), handleOf(b)];
  return new Tensor(
    await runJob(options.signal, (token) => addon().cosineSimilarity(left, right, token)),
  );
}
