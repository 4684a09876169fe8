import { z } from 'zod';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { handleOf, Tensor } from '../tensor.js';
import { type Features, jointSource, rowsOf } from './feature-statistics.js';

/** Which neighbour a ball reaches to. */
export interface PrecisionRecallOptions extends JobOptions {
  /** @default 5 */
  readonly k?: number | undefined;
}

/** How much of what is made is real, and how much of what is real is made. */
export interface PrecisionRecall {
  /** The share of made rows inside the ball of some real row. */
  readonly precision: number;
  /** The share of real rows inside the ball of some made row. */
  readonly recall: number;
  /** Balls of real rows that a made row lies in, over `k`: above 1 where made rows crowd together. */
  readonly density: number;
  /** The share of real rows whose ball holds a made row. */
  readonly coverage: number;
  readonly k: number;
  readonly counts: readonly [real: number, made: number];
  readonly source: string;
}

/** The nearest row of a set of references, for each row that asks. */
export interface Neighbours {
  /** Of the reference's row. */
  readonly indices: number[];
  /** Euclidean. */
  readonly distances: number[];
}

const precisionRecallOptions = z.strictObject({
  ...jobOptions.shape,
  k: z.int().positive().default(5),
});

/**
 * Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020): a row's ball
 * reaches to its k-th nearest neighbour in its own set.
 *
 * @throws `ERR_SHAPE`, `ERR_DTYPE`, `ERR_NON_FINITE`; `ERR_INVALID_ARG` for a set of no more than `k` rows or
 * two sources.
 */
export async function precisionRecall(
  real: Features,
  made: Features,
  options: PrecisionRecallOptions = {},
): Promise<PrecisionRecall> {
  const { k, signal } = parseOptions(precisionRecallOptions, options, 'precisionRecall');
  const [left, right] = [rowsOf(real, 'real'), rowsOf(made, 'made')];
  const source = jointSource(left.source, right.source);
  const [first, second] = [handleOf(left.rows, 'real'), handleOf(right.rows, 'made')];
  const [precision, recall, density, coverage] = await runJob(signal, (token) =>
    addon().precisionRecall(first, second, k, token),
  );
  const counts = [left.rows.shape[0] ?? 0, right.rows.shape[0] ?? 0] as const;
  return { precision, recall, density, coverage, k, counts, source };
}

/**
 * The row of `references` that is nearest to each of `rows`: how near made images are to training images.
 *
 * @throws as {@link precisionRecall}.
 */
export async function nearestNeighbours(
  rows: Features,
  references: Features,
  options: JobOptions = {},
): Promise<Neighbours> {
  const { signal } = parseOptions(jobOptions, options, 'nearestNeighbours');
  const [asking, known] = [rowsOf(rows, 'rows'), rowsOf(references, 'references')];
  jointSource(asking.source, known.source);
  const [first, second] = [handleOf(asking.rows, 'rows'), handleOf(known.rows, 'references')];
  const found = await runJob(signal, (token) => addon().nearestNeighbours(first, second, token));
  using indices = new Tensor(found.indices);
  using distances = new Tensor(found.distances);
  return {
    indices: Array.from(indices.data(), Number),
    distances: Array.from(distances.data(), Number),
  };
}
