import { z } from 'zod';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import { toSeed } from '../noise-source.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { handleOf } from '../tensor.js';
import { type Features, jointSource, rowsOf } from './feature-statistics.js';

/** How the kernel distance is estimated. */
export interface KernelDistanceOptions extends JobOptions {
  /**
   * Draws rows this often and averages, as KID is usually published (100 subsets of 1000 rows). 0: over all
   * rows at once.
   *
   * @default 100
   */
  readonly subsets?: number | undefined;
  /** Rows a subset. @default 1000, or all of the smaller set */
  readonly subsetSize?: number | undefined;
  /** Draws the rows. @default 0 */
  readonly seed?: number | bigint | undefined;
}

/** A kernel distance, and what must be published with it. */
export interface KernelDistance {
  readonly value: number;
  /** The subsets' standard deviation; 0 over all rows. */
  readonly deviation: number;
  readonly subsets: number;
  /** Rows a subset; 0 over all rows. */
  readonly subsetSize: number;
  readonly counts: readonly [number, number];
  readonly source: string;
}

const kernelDistanceOptions = z.strictObject({
  ...jobOptions.shape,
  subsets: z.int().nonnegative().default(100),
  subsetSize: z.int().min(2).optional(),
  seed: z.union([z.number(), z.bigint()]).default(0),
});

/**
 * KID: the squared maximum mean discrepancy of two sets of features under the kernel (x·y / D + 1)³, without
 * bias, which small sets do not distort as they distort a Fréchet distance. It can be below 0.
 *
 * @throws `ERR_SHAPE`, `ERR_DTYPE`, `ERR_NON_FINITE`; `ERR_INVALID_ARG` for fewer than two rows, a subset
 * larger than a set, or two sources.
 */
export async function kernelDistance(
  a: Features,
  b: Features,
  options: KernelDistanceOptions = {},
): Promise<KernelDistance> {
  const { subsets, subsetSize, seed, signal } = parseOptions(
    kernelDistanceOptions,
    options,
    'kernelDistance',
  );
  const [left, right] = [rowsOf(a, 'a'), rowsOf(b, 'b')];
  const source = jointSource(left.source, right.source);
  const [first, second] = [handleOf(left.rows, 'a'), handleOf(right.rows, 'b')];
  const counts = [left.rows.shape[0] ?? 0, right.rows.shape[0] ?? 0] as const;
  const size = subsets === 0 ? 0 : (subsetSize ?? Math.min(1000, ...counts));
  const [value, deviation] = await runJob(signal, (token) =>
    addon().kernelDistance(first, second, subsets, size, toSeed(seed), token),
  );
  return { value, deviation, subsets, subsetSize: size, counts, source };
}
