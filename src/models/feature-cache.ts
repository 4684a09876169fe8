import { join } from 'node:path';
import { z } from 'zod';
import { digestOfParts, folderOfDigest, warnOfRebuild } from '../disk-cache.js';
import type { ImageBatch } from '../metrics/image-batch.js';
import type { JobOptions } from '../native/addon.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { modelDigest } from '../pipeline/model-digest.js';
import { Tensor } from '../tensor.js';
import {
  type ExtractedFeatures,
  type ExtractOptions,
  FeatureExtractor,
  type InceptionLayer,
  pixelsOf,
} from './feature-extractor.js';
import {
  batchOfRows,
  bytesOfRow,
  type FeatureRow,
  readRow,
  rowsOfBatch,
  writeRow,
} from './feature-rows.js';
import { makeFolder } from './save-model.js';

/** Where features are kept, and whose. */
export interface FeatureCacheOptions extends ExtractOptions {
  /** Caches of several networks, layers and modes can be in the same folder. */
  readonly folder: string;
  readonly extractor: FeatureExtractor;
  /** Most bytes of features that are kept in memory too. @default 67108864 (64 MiB) */
  readonly memoryBytes?: number;
  /** Hears why a file that was there is not used and made anew. @default says so on stderr */
  readonly onRebuild?: (reason: string) => void;
}

const featureCacheOptions = z.strictObject({
  ...jobOptions.shape,
  layer: z.enum(['64', '192', '768', '2048']).optional(),
  folder: z.string().min(1),
  extractor: z.custom<FeatureExtractor>(
    (value) => value instanceof FeatureExtractor,
    'expected a FeatureExtractor',
  ),
  memoryBytes: z
    .int()
    .min(0)
    .default(1 << 26),
  onRebuild: z
    .custom<(reason: string) => void>((value) => typeof value === 'function', 'expected a function')
    .default(() => warnOfRebuild),
});

/** Raised when the same files and pixels come to give other features. */
const version = 'features 1';

/** An image of a batch. */
interface CachedImage {
  readonly key: string;
  /** Its place in the batch. */
  readonly index: number;
}

/**
 * Features of images on disk, a file for each image, so that a network sees each image once. A file belongs to
 * the image's pixels, the network's weight files, its layer, its mode and its dtype: another of them is another
 * file. Several processes can share a folder.
 *
 * ```ts
 * const cache = await FeatureCache.open({ folder: 'cache/features', extractor });
 * const { features } = await cache.forward(images);
 * ```
 */
export class FeatureCache {
  /** Of the network, its layer and how images were prepared, as in each result. */
  readonly source: string;
  /** Of all but the images that features follow from. */
  readonly digest: string;
  readonly #extractor: FeatureExtractor;
  readonly #layer: InceptionLayer | undefined;
  readonly #folder: string;
  readonly #memoryBytes: number;
  readonly #onRebuild: (reason: string) => void;
  /** By key, the one that was used last at the end. */
  readonly #rows = new Map<string, FeatureRow>();
  #bytes = 0;
  #computed = 0;

  private constructor(options: z.output<typeof featureCacheOptions>, digest: string) {
    this.source = options.extractor.sourceOf(options.layer);
    this.digest = digest;
    this.#extractor = options.extractor;
    this.#layer = options.layer;
    this.#folder = join(options.folder, folderOfDigest(digest));
    this.#memoryBytes = options.memoryBytes;
    this.#onRebuild = options.onRebuild;
  }

  /**
   * Opens a cache; a folder that is not there is made. The network stays the caller's.
   *
   * @throws LatentrayError `ERR_INVALID_ARG`, also for a layer that the network has not; `ERR_WRITE`.
   */
  static async open(options: FeatureCacheOptions): Promise<FeatureCache> {
    const parsed = parseOptions(featureCacheOptions, options, 'FeatureCache.open');
    const { extractor, layer, signal } = parsed;
    const source = extractor.sourceOf(layer);
    const digest = digestOfParts(version, source, extractor.dtype, await modelDigest(extractor));
    signal?.throwIfAborted();
    const cache = new FeatureCache(parsed, digest);
    await makeFolder(cache.#folder);
    return cache;
  }

  /** How many images the network has seen since the cache was opened. */
  get computed(): number {
    return this.#computed;
  }

  /** Bytes of features in memory. */
  get bytesInMemory(): number {
    return this.#bytes;
  }

  /**
   * As {@link FeatureExtractor.forward}, which sees only those images that are not kept yet. A file that is
   * damaged, or of something else, is told of, and made anew.
   *
   * @throws as {@link FeatureExtractor.forward}; `ERR_WRITE`.
   */
  async forward(images: ImageBatch, options: JobOptions = {}): Promise<ExtractedFeatures> {
    const { signal } = parseOptions(jobOptions, options, 'forward');
    const pixels = pixelsOf(images);
    try {
      const keys = await keysOf(pixels);
      if (keys.length === 0) return await this.#forward(pixels, signal); // which refuses it by name
      const rows = await this.#known(keys, signal);
      const missing = [...new Set(keys)]
        .filter((key) => !rows.has(key))
        .map((key): CachedImage => ({ key, index: keys.indexOf(key) }));
      if (missing.length > 0) await this.#compute(pixels, missing, rows, signal);
      return {
        ...batchOfRows(keys.map((key) => rows.get(key) as FeatureRow)),
        source: this.source,
      };
    } finally {
      if (pixels !== images) pixels.dispose();
    }
  }

  async #known(
    keys: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Map<string, FeatureRow>> {
    const rows = new Map<string, FeatureRow>();
    for (const key of new Set(keys)) {
      signal?.throwIfAborted();
      const row = this.#rows.get(key) ?? (await this.#read(key, signal));
      if (!row) continue;
      this.#remember(key, row);
      rows.set(key, row);
    }
    return rows;
  }

  async #read(key: string, signal: AbortSignal | undefined): Promise<FeatureRow | undefined> {
    const path = this.#pathOf(key);
    try {
      return await readRow(path, key, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      this.#onRebuild(reason.startsWith(path) ? reason : `${path}: ${reason}`);
      return undefined;
    }
  }

  async #compute(
    pixels: Tensor,
    missing: readonly CachedImage[],
    rows: Map<string, FeatureRow>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const whole = missing.length === pixels.shape[0];
    const batch = whole ? pixels : await pick(pixels, missing, signal);
    try {
      const computed = rowsOfBatch(await this.#forward(batch, signal));
      this.#computed += computed.length;
      for (const [n, { key }] of missing.entries()) {
        const row = computed[n] as FeatureRow;
        await writeRow(this.#pathOf(key), key, row, signal);
        this.#remember(key, row);
        rows.set(key, row);
      }
    } finally {
      if (batch !== pixels) batch.dispose();
    }
  }

  #forward(pixels: Tensor, signal: AbortSignal | undefined): Promise<ExtractedFeatures> {
    return this.#extractor.forward(pixels, { layer: this.#layer, signal });
  }

  #pathOf(key: string): string {
    return join(this.#folder, `${key}.safetensors`);
  }

  #remember(key: string, row: FeatureRow): void {
    if (this.#rows.delete(key)) this.#bytes -= bytesOfRow(row);
    this.#rows.set(key, row);
    this.#bytes += bytesOfRow(row);
    for (const [oldest, old] of this.#rows) {
      if (this.#bytes <= this.#memoryBytes) return;
      this.#rows.delete(oldest);
      this.#bytes -= bytesOfRow(old);
    }
  }
}

/** SHA-256 of each image's shape and pixels; none for what is no [N, C, H, W]. */
async function keysOf(pixels: Tensor): Promise<string[]> {
  const { dtype, shape } = pixels;
  if (shape.length !== 4) return [];
  using local = await pixels.to({ device: 'cpu' });
  const array = local.data();
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const [count = 0, ...image] = shape;
  const keys: string[] = [];
  for (let n = 0; n < count; ++n) {
    const part = bytes.subarray((n * bytes.length) / count, ((n + 1) * bytes.length) / count);
    const digest = Buffer.from(await crypto.subtle.digest('SHA-256', part)).toString('hex');
    keys.push(digestOfParts(dtype, image.join(), digest).replace('sha256:', ''));
  }
  return keys;
}

async function pick(
  pixels: Tensor,
  images: readonly CachedImage[],
  signal: AbortSignal | undefined,
): Promise<Tensor> {
  const parts = await Promise.all(
    images.map(({ index }) => pixels.slice(0, index, index + 1, { signal })),
  );
  try {
    return await Tensor.cat(parts, 0, { signal });
  } finally {
    for (const part of parts) part.dispose();
  }
}
