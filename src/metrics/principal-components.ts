import { z } from 'zod';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { handleOf, Tensor } from '../tensor.js';

/** The directions in which features vary most. */
export interface PrincipalComponents {
  /** float64 [N, count]: each row, less the mean, along each direction. */
  readonly scores: Tensor;
  /** Every direction's share of all variance, the largest first. */
  readonly variance: readonly number[];
}

export interface PrincipalComponentsOptions extends JobOptions {
  /** How many directions `scores` has. @default 2 */
  readonly count?: number | undefined;
}

const componentOptions = z.strictObject({
  ...jobOptions.shape,
  count: z.int().positive().default(2),
});

/**
 * Principal components of [N, D], by a singular value decomposition in float64. A direction's largest entry
 * is positive, so that maps do not flip between runs.
 *
 * @throws `ERR_SHAPE` for fewer than 2 rows, `ERR_DTYPE`, `ERR_NON_FINITE`; `ERR_INVALID_ARG` for a count
 * beyond the smaller of N and D.
 */
export async function principalComponents(
  features: Tensor,
  options: PrincipalComponentsOptions = {},
): Promise<PrincipalComponents> {
  const { count, signal } = parseOptions(componentOptions, options, 'principalComponents');
  const handle = handleOf(features, 'features');
  const { scores, variance } = await runJob(signal, (token) =>
    addon().principalComponents(handle, count, token),
  );
  using shares = new Tensor(variance);
  return { scores: new Tensor(scores), variance: Array.from(shares.data(), Number) };
}
