import { addon, type JobOptions, runJob } from '../native/addon.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import {
  FeatureStatistics,
  type Features,
  jointSource,
  statisticsHandle,
} from './feature-statistics.js';

/** A distance, and what must be published with it. */
export interface FrechetDistance {
  readonly value: number;
  /** Rows of each set. */
  readonly counts: readonly [number, number];
  /** Columns. */
  readonly width: number;
  /**
   * A covariance of no more rows than columns: the distance is defined, and biased upwards. FID on Inception's
   * 2048 features wants thousands of images on both sides.
   */
  readonly singular: boolean;
  /** The network, its layer, and `clean-fid` or `pytorch-fid`; empty where nobody said it. */
  readonly source: string;
}

/**
 * The Fréchet distance of two sets of features: FID where they are Inception's. In float64, from the
 * eigenvalues of a symmetric matrix, which singular covariances do not upset.
 *
 * @throws `ERR_SHAPE` for two widths; `ERR_INVALID_ARG` for fewer than two rows or two sources;
 * `ERR_NON_FINITE`; `ERR_DTYPE`.
 */
export async function frechetDistance(
  a: Features | FeatureStatistics,
  b: Features | FeatureStatistics,
  options: JobOptions = {},
): Promise<FrechetDistance> {
  const { signal } = parseOptions(jobOptions, options, 'frechetDistance');
  using left = await gathered(a, signal);
  using right = await gathered(b, signal);
  const [first, second] = [left.statistics, right.statistics];
  const source = jointSource(first.source, second.source);
  const value = await runJob(signal, (token) =>
    addon().frechetDistance(statisticsHandle(first, 'a'), statisticsHandle(second, 'b'), token),
  );
  const counts = [first.count, second.count] as const;
  const { width } = first;
  return { value, counts, width, singular: Math.min(...counts) <= width, source };
}

/** The statistics that were given, or those of the features, which are then let go. */
async function gathered(
  given: Features | FeatureStatistics,
  signal: AbortSignal | undefined,
): Promise<{ statistics: FeatureStatistics } & Disposable> {
  if (given instanceof FeatureStatistics) {
    return { statistics: given, [Symbol.dispose]() {} };
  }
  const statistics = new FeatureStatistics();
  await statistics.add(given, { signal });
  return { statistics, [Symbol.dispose]: () => statistics.dispose() };
}
