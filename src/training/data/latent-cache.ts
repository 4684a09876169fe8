import { z } from 'zod';
import { digestOfParts } from '../../disk-cache.js';
import { invalidArgument, LatentrayError } from '../../errors.js';
import { stringifyPythonJson } from '../../json.js';
import { Autoencoder } from '../../models/autoencoder.js';
import type { JobOptions } from '../../native/addon.js';
import { jobOptions, parseOptions } from '../../parse-options.js';
import { modelDigest } from '../../pipeline/model-digest.js';
import type { Tensor } from '../../tensor.js';
import { type CacheOptions, cacheOptions } from './cache-options.js';
import { encodeScaled } from './encode-latents.js';
import { joinRows } from './join-rows.js';
import { type Rows, ShardCache } from './shard-cache.js';
import { TrainingData } from './training-data.js';

/** What latents are computed from, and where they are kept. */
export interface LatentCacheOptions extends CacheOptions {
  /** Without random crops and flips. */
  readonly data: TrainingData;
  readonly autoencoder: Autoencoder;
  /**
   * Tells the autoencoder's weights again. Needed for weights that no file has, or that were trained since.
   *
   * @default the digest of its weight files
   */
  readonly modelDigest?: string;
}

/** The latents of some samples, float32 on the CPU, scaled by the autoencoder's factor. */
export interface CachedLatents {
  /** The mean, [N, C, h, w]. */
  readonly latents: Tensor;
  /** The standard deviation; a tiny autoencoder has none. */
  readonly deviation: Tensor | undefined;
}

const latentCacheOptions = z.strictObject({
  ...cacheOptions.shape,
  data: z.instanceof(TrainingData),
  autoencoder: z.custom<Autoencoder>(
    (value) => value instanceof Autoencoder,
    'expected an Autoencoder',
  ),
  modelDigest: z.string().min(1).optional(),
});

/**
 * Latents of a data set on disk, so that a run encodes each image once. Both the mean and the deviation are
 * kept: each step can draw its own latents, as it would without a cache.
 */
export class LatentCache {
  /** Of the data, how it is prepared, and the autoencoder. */
  readonly digest: string;
  readonly length: number;
  readonly #shards: ShardCache;

  private constructor(digest: string, length: number, shards: ShardCache) {
    this.digest = digest;
    this.length = length;
    this.#shards = shards;
  }

  /**
   * Opens the latents of the data, and encodes what is not there yet.
   *
   * @throws LatentrayError `ERR_INVALID_ARG` for data with random crops or flips, or weights that nothing tells
   *   again; `ERR_WRITE`; as {@link TrainingData.batch} and {@link Autoencoder.encode}.
   */
  static async open(options: LatentCacheOptions): Promise<LatentCache> {
    const parsed = parseOptions(latentCacheOptions, options, 'LatentCache.open');
    const { data, autoencoder, batchSize = 4 } = parsed;
    if (data.isRandom) {
      const found = `found '${data.preprocessing}'`;
      throw new LatentrayError(
        'ERR_INVALID_ARG',
        `data: expected no random crops and flips, whose latents differ each time, ${found}`,
      );
    }
    const digest = digestOfParts(
      'latents',
      data.digest,
      data.preprocessing,
      parsed.modelDigest ?? (await digestOfFiles(autoencoder)),
      stringifyPythonJson(autoencoder.config),
      autoencoder.dtype,
    );
    const encodeRows = (start: number, end: number) =>
      encode(data, autoencoder, rangesOf(start, end, batchSize), parsed.signal);
    const { length } = data;
    const plan = { ...parsed, digest, length, signal: parsed.signal, compute: encodeRows };
    return new LatentCache(digest, length, await ShardCache.open(plan));
  }

  /** @throws LatentrayError `ERR_INVALID_ARG` for an index that there is not; `ERR_DISPOSED`. */
  async batch(indices: readonly number[], options: JobOptions = {}): Promise<CachedLatents> {
    const job = parseOptions(jobOptions, options, 'batch');
    const isIndex = (index: unknown) =>
      Number.isSafeInteger(index) && (index as number) >= 0 && (index as number) < this.length;
    if (!Array.isArray(indices) || indices.length === 0 || !indices.every(isIndex)) {
      throw invalidArgument('indices', `numbers below ${this.length}`, String(indices));
    }
    return {
      latents: (await this.#shards.rows('mean', indices, job)) as Tensor,
      deviation: await this.#shards.rows('deviation', indices, job),
    };
  }

  /** Lets go of the files, which stay. */
  dispose(): void {
    this.#shards.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function digestOfFiles(autoencoder: Autoencoder): Promise<string> {
  if (autoencoder.weightFiles.length > 0) return modelDigest(autoencoder);
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    'modelDigest: expected for an autoencoder that was not loaded from files, received undefined',
    { argument: 'modelDigest' },
  );
}

/** Indices `start` to before `end`, in batches. */
function rangesOf(start: number, end: number, size: number): number[][] {
  const count = Math.ceil((end - start) / size);
  return Array.from({ length: count }, (_, n) => {
    const first = start + n * size;
    return Array.from({ length: Math.min(size, end - first) }, (_, i) => first + i);
  });
}

async function encode(
  data: TrainingData,
  autoencoder: Autoencoder,
  batches: readonly number[][],
  signal: AbortSignal | undefined,
): Promise<Rows> {
  const requests = batches.map((indices) => ({ indices, step: 0, sampleNumbers: indices }));
  const encoded: Rows[] = [];
  for await (using batch of data.prefetch(requests, { signal })) {
    const { latents, deviation } = await encodeScaled(autoencoder, batch.pixels, { signal });
    encoded.push(deviation ? { mean: latents, deviation } : { mean: latents });
  }
  return joinRows(encoded, signal);
}
