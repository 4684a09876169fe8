import { z } from 'zod';
import { invalidArgument, LatentrayError } from '../errors.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { FeatureStatisticsHandle, FeatureStatisticsSize } from '../native/addon-types.js';
import { NativeObject } from '../native/native-object.js';
import { checkPath, jobOptions, parseOptions } from '../parse-options.js';
import { handleOf, Tensor } from '../tensor.js';

/** Features, a row each, and how they were made. */
export interface FeatureRows {
  /** [N, D], floating point. */
  readonly features: Tensor;
  /** The network, its layer and how images were prepared: only features of one source are comparable. */
  readonly source: string;
}

/** Features of a `FeatureExtractor`, or any [N, D] of floating point. */
export type Features = Tensor | FeatureRows;

const handleKey = Symbol.for('latentray.feature-statistics.handle');

const statisticsOptions = z.strictObject({ source: z.string().default('') });

/**
 * Mean and covariance of features that come in batches, in float64: constant memory however many there are.
 *
 * ```ts
 * const real = new FeatureStatistics();
 * for await (const images of batches) await real.add(await extractor.forward(images));
 * await real.save('real.fid.safetensors');
 * ```
 */
export class FeatureStatistics extends NativeObject {
  readonly #handle: FeatureStatisticsHandle;
  #size: FeatureStatisticsSize = { count: 0, width: 0 };
  #source: string;

  /**
   * @param options `source`: how the features are made, in your words. Features of an extractor say it
   * themselves.
   */
  constructor(options: { readonly source?: string } = {}) {
    const { source } = parseOptions(statisticsOptions, options, 'FeatureStatistics');
    const handle = addon().createFeatureStatistics();
    super(handle);
    this.#handle = handle;
    this.#source = source;
  }

  /**
   * What {@link FeatureStatistics.save} wrote.
   *
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_WEIGHTS_…` for another file.
   */
  static async load(path: string, options: JobOptions = {}): Promise<FeatureStatistics> {
    checkPath(path);
    const { signal } = parseOptions(jobOptions, options, 'FeatureStatistics.load');
    const { source, statistics } = await runJob(signal, (token) =>
      addon().loadFeatureStatistics(path, token),
    );
    const loaded = new FeatureStatistics({ source });
    try {
      loaded.#size = await runJob(signal, (token) =>
        addon().mergeFeatureStatistics(loaded.#handle, statistics, token),
      );
    } finally {
      statistics.dispose();
    }
    return loaded;
  }

  /** Rows so far. A covariance has full rank only with more rows than columns: publish it with a distance. */
  get count(): number {
    return this.#size.count;
  }

  /** Columns; 0 before the first rows. */
  get width(): number {
    return this.#size.width;
  }

  /** How the features were made; empty where nobody said it. */
  get source(): string {
    return this.#source;
  }

  /**
   * Adds rows: of any number, in any order. A batch that is refused changes nothing.
   *
   * @throws `ERR_SHAPE` for another width; `ERR_DTYPE`; `ERR_NON_FINITE`; `ERR_INVALID_ARG` for features of
   * another source.
   */
  async add(features: Features, options: JobOptions = {}): Promise<void> {
    const { signal } = parseOptions(jobOptions, options, 'add');
    const { rows, source } = rowsOf(features);
    const joint = jointSource(this.#source, source);
    const handle = handleOf(rows, 'features');
    this.#size = await runJob(signal, (token) => addon().addFeatures(this.#handle, handle, token));
    this.#source = joint;
  }

  /** Adds what another has seen, as if its rows had been added here; the other stays as it is. */
  async merge(other: FeatureStatistics, options: JobOptions = {}): Promise<void> {
    const { signal } = parseOptions(jobOptions, options, 'merge');
    const handle = statisticsHandle(other, 'other');
    const joint = jointSource(this.#source, other.source);
    this.#size = await runJob(signal, (token) =>
      addon().mergeFeatureStatistics(this.#handle, handle, token),
    );
    this.#source = joint;
  }

  /**
   * The mean [D] and the covariance [D, D], divided by `count − 1`, in float64.
   *
   * @throws `ERR_INVALID_ARG` for fewer than two rows.
   */
  async moments(
    options: JobOptions = {},
  ): Promise<{ readonly mean: Tensor; readonly covariance: Tensor }> {
    const { signal } = parseOptions(jobOptions, options, 'moments');
    const found = await runJob(signal, (token) => addon().featureMoments(this.#handle, token));
    return { mean: new Tensor(found.mean), covariance: new Tensor(found.covariance) };
  }

  /**
   * Writes a safetensors file (`mean`, `scatter`; `count` and `source` in its metadata), under a temporary
   * name first.
   *
   * @throws `ERR_INVALID_ARG` before the first rows; `ERR_WRITE`.
   */
  async save(path: string, options: JobOptions = {}): Promise<void> {
    checkPath(path);
    const { signal } = parseOptions(jobOptions, options, 'save');
    await runJob(signal, (token) =>
      addon().saveFeatureStatistics(this.#handle, path, this.#source, token),
    );
  }

  /** @internal */
  get [handleKey](): FeatureStatisticsHandle {
    return this.#handle;
  }
}

/** @internal */
export function statisticsHandle(
  statistics: FeatureStatistics,
  name: string,
): FeatureStatisticsHandle {
  const handle = (statistics as { [handleKey]?: FeatureStatisticsHandle } | undefined)?.[handleKey];
  if (!handle) throw invalidArgument(name, 'FeatureStatistics', statistics);
  return handle;
}

/** @internal Rows and their source, which a tensor does not know. */
export function rowsOf(features: Features, name = 'features'): { rows: Tensor; source: string } {
  if (features instanceof Tensor) return { rows: features, source: '' };
  if (typeof features !== 'object' || features === null || !('features' in features)) {
    throw invalidArgument(name, 'a Tensor or what a FeatureExtractor gives', features);
  }
  return { rows: features.features, source: features.source ?? '' };
}

/** @internal The source of both; `ERR_INVALID_ARG` where they have two. */
export function jointSource(a: string, b: string): string {
  if (a === '' || b === '' || a === b) return a || b;
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `features: expected one source, found '${a}' and '${b}', which cannot be compared`,
    { argument: 'features' },
  );
}
