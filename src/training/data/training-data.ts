import { z } from 'zod';
import { LatentrayError } from '../../errors.js';
import type { JobOptions } from '../../native/addon.js';
import { jobOptions, parseOptions } from '../../parse-options.js';
import { Tensor } from '../../tensor.js';
import { dataDigest } from './data-digest.js';
import { prefetched } from './prefetch.js';
import { SampleDecoder } from './sample-decoder.js';
import { allOrNone, Slots } from './slots.js';
import {
  checkRequest,
  joinSamples,
  type TrainingBatch,
  type TrainingBatchRequest,
} from './training-batch.js';
import {
  describePreprocessing,
  isRandom,
  type ParsedTrainingDataOptions,
  parseDataOptions,
  type TrainingDataOptions,
} from './training-data-options.js';
import type { TrainingRecord } from './training-sample.js';
import { readSource, type TrainingSource } from './training-source.js';

const prefetchOptions = z.strictObject({
  ...jobOptions.shape,
  ahead: z.int().min(0).default(2),
});

/**
 * Reads a source to its end and looks at each image's file once, so that what is missing is known before the
 * training begins. Images are decoded when a batch needs them.
 *
 * @throws LatentrayError `ERR_DATASET` with `path`, `line` and `id` for what is wrong with the data;
 *   `ERR_INVALID_ARG`.
 */
export async function openTrainingData(
  source: TrainingSource,
  options: TrainingDataOptions,
): Promise<TrainingData> {
  const parsed = parseDataOptions(options);
  const records = await readSource(source, parsed.signal);
  const digest = await dataDigest(records, parsed.fingerprint, parsed.signal);
  return new TrainingData(records, digest, parsed);
}

/** Images with their texts, as batches of pixels. The same request gives the same pixels, in every process. */
export class TrainingData {
  readonly ids: readonly string[];
  readonly texts: readonly string[];
  readonly weights: readonly number[];
  /** Tells the data again: ids, texts, weights, images and masks, whatever the options are. */
  readonly digest: string;
  /** Everything that pixels follow from besides the data, as one line. */
  readonly preprocessing: string;
  readonly width: number;
  readonly height: number;
  /** Whether an image differs from step to step; its latents can then not be kept. */
  readonly isRandom: boolean;
  readonly #records: readonly TrainingRecord[];
  readonly #hasMasks: boolean;
  readonly #decoder: SampleDecoder;
  readonly #slots: Slots;
  #closed = false;

  /** @internal Use {@link openTrainingData}. */
  constructor(
    records: readonly TrainingRecord[],
    digest: string,
    options: ParsedTrainingDataOptions,
  ) {
    this.ids = records.map(({ id }) => id);
    this.texts = records.map(({ text }) => text);
    this.weights = records.map(({ weight }) => weight);
    this.digest = digest;
    this.preprocessing = describePreprocessing(options);
    this.width = options.target.width;
    this.height = options.target.height;
    this.isRandom = isRandom(options);
    this.#records = records;
    this.#hasMasks = records.some(({ mask }) => mask !== undefined);
    this.#decoder = new SampleDecoder(options, this.#hasMasks);
    this.#slots = new Slots(options.concurrency);
  }

  /** How many samples there are. */
  get length(): number {
    return this.#records.length;
  }

  /**
   * Decodes some samples.
   *
   * @throws LatentrayError with the image's `id`: `ERR_IMAGE_DECODE`, `ERR_INVALID_ARG` for transparent parts,
   *   `ERR_DATASET` for a mask that does not fit; `ERR_DISPOSED` after {@link TrainingData.close}.
   */
  async batch(
    indices: readonly number[],
    position: Omit<TrainingBatchRequest, 'indices'> & JobOptions,
  ): Promise<TrainingBatch> {
    const { signal, ...where }: Partial<typeof position> = position ?? {};
    const job = parseOptions(jobOptions, { signal }, 'batch');
    return this.#batch(checkRequest({ ...where, indices }, this.length), job.signal);
  }

  /**
   * Batches in the order of the requests, decoded ahead of their use.
   *
   * @param requests - Read as far as they are needed: they may have no end.
   * @param options - `ahead`: how many batches wait or are decoded while one is used. @default 2
   * @throws LatentrayError as {@link TrainingData.batch}, when the batch's turn has come.
   */
  prefetch(
    requests: Iterable<TrainingBatchRequest>,
    options: { readonly ahead?: number } & JobOptions = {},
  ): AsyncGenerator<TrainingBatch> {
    const { ahead, signal } = parseOptions(prefetchOptions, options, 'prefetch');
    return prefetched(requests, ahead, async (request) =>
      this.#batch(checkRequest(request, this.length), signal),
    );
  }

  /**
   * The masks alone, for latents that were kept: [N, 1, H, W]; undefined where the data has none.
   *
   * @throws LatentrayError as {@link TrainingData.batch}; `ERR_INVALID_ARG` where crops or flips are random.
   */
  async masks(indices: readonly number[], options: JobOptions = {}): Promise<Tensor | undefined> {
    const { signal } = parseOptions(jobOptions, options, 'masks');
    if (this.isRandom) {
      const found = `found '${this.preprocessing}'`;
      throw new LatentrayError(
        'ERR_INVALID_ARG',
        `masks: expected data without random crops and flips, ${found}`,
      );
    }
    const request = checkRequest({ indices, step: 0, sampleNumbers: indices }, this.length);
    if (!this.#hasMasks) return undefined;
    const masks = await this.#each(request, (record) => this.#decoder.mask(record, signal), signal);
    try {
      return await Tensor.stack(masks, 0, { signal });
    } finally {
      for (const mask of masks) mask.dispose();
    }
  }

  /** Nothing is decoded any more: calls that are running reject with `ERR_DISPOSED`. Twice is fine. */
  close(): void {
    this.#closed = true;
  }

  get closed(): boolean {
    return this.#closed;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #batch(request: TrainingBatchRequest, signal?: AbortSignal): Promise<TrainingBatch> {
    const { step, sampleNumbers } = request;
    const samples = await this.#each(
      request,
      (record, row) => {
        const position = { step, sampleNumber: sampleNumbers[row] as number };
        return this.#decoder.decode(record, position, signal);
      },
      signal,
    );
    return joinSamples(request, samples, this, signal);
  }

  /** Works on a request's records, a few at a time. */
  #each<T extends { dispose(): void }>(
    { indices }: TrainingBatchRequest,
    work: (record: TrainingRecord, row: number) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T[]> {
    const jobs = indices.map((index, row) =>
      this.#slots.run(async () => {
        this.#check(signal);
        return work(this.#records[index] as TrainingRecord, row);
      }),
    );
    return allOrNone(jobs);
  }

  #check(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closed) throw new LatentrayError('ERR_DISPOSED', 'TrainingData: was closed');
  }
}
