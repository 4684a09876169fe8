import { z } from 'zod';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { handleOf, Tensor } from '../tensor.js';

/** What a {@link linearProbe} learns from, and what it is asked. */
export interface LinearProbeInputs {
  /** [N, D] of floating point: what the probe learns from. */
  readonly features: Tensor;
  /** [N, L]: 1, 0, or anything else for what is not known and left out. */
  readonly labels: Tensor;
  /** [M, D]: rows that it has not seen. */
  readonly queries: Tensor;
}

export interface LinearProbeOptions extends JobOptions {
  /** Weight of the penalty |w|² / 2 beside the sum of the log-losses: scikit-learn's 1 / C. @default 1 */
  readonly l2?: number | undefined;
}

const probeOptions = z.strictObject({ ...jobOptions.shape, l2: z.number().positive().default(1) });

/**
 * What a straight line can read from features: logistic regression for each label over columns brought to
 * mean 0 and variance 1 (by the rows that it learns from), the intercept free of the penalty.
 *
 * @returns The log odds of each label for each query, float64 [M, L]; NaN for a label of which the rows have
 * not both positives and negatives.
 * @throws `ERR_SHAPE`, `ERR_DTYPE`, `ERR_NON_FINITE`.
 */
export async function linearProbe(
  { features, labels, queries }: LinearProbeInputs,
  options: LinearProbeOptions = {},
): Promise<Tensor> {
  const { l2, signal } = parseOptions(probeOptions, options, 'linearProbe');
  const handles = [
    handleOf(features, 'features'),
    handleOf(labels, 'labels'),
    handleOf(queries, 'queries'),
  ] as const;
  return new Tensor(await runJob(signal, (token) => addon().linearProbe(...handles, l2, token)));
}
