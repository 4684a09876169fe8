import { join } from 'node:path';
import type { Autoencoder } from '../models/autoencoder.js';
import type { Tensor } from '../tensor.js';
import { encodeScaled } from './data/encode-latents.js';
import { LatentCache } from './data/latent-cache.js';
import { SampleOrder, stepSamples } from './data/sample-order.js';
import { latentMask } from './data/sample-tensors.js';
import type { TrainingBatchRequest } from './data/training-batch.js';
import type { TrainingData } from './data/training-data.js';
import type { RunContext } from './engine.js';
import { firstRankFirst } from './first-rank-first.js';

/** @internal A micro batch's latents. The caller disposes of the tensors. */
export interface LatentBatch extends TrainingBatchRequest {
  /** [N, C, h, w] float32, scaled: the mean. */
  readonly latents: Tensor;
  readonly deviation: Tensor | undefined;
  /** [N, 1, h, w] */
  readonly mask: Tensor | undefined;
  readonly weights: readonly number[];
}

/** @internal This process's micro batches from a step on, without end. */
export function* requestsFrom(
  start: number,
  length: number,
  { options, group }: RunContext,
): Generator<TrainingBatchRequest> {
  const order = new SampleOrder(options.seed, length);
  const { batchSize, gradientAccumulationSteps: microSteps } = options;
  const { rank = 0, worldSize = 1 } = group ?? {};
  for (let step = start; ; step++) {
    for (const sampleNumbers of stepSamples({ step, batchSize, microSteps, rank, worldSize })) {
      yield { step, sampleNumbers, indices: sampleNumbers.map((number) => order.indexOf(number)) };
    }
  }
}

/** @internal A data set's latents in the order of the run: from a cache on disk, or encoded when they are needed. */
export class LatentStream {
  readonly #open: (start: number) => AsyncGenerator<LatentBatch>;
  #batches: AsyncGenerator<LatentBatch> | undefined;

  private constructor(open: (start: number) => AsyncGenerator<LatentBatch>) {
    this.#open = open;
  }

  static async open(
    vae: Autoencoder,
    data: TrainingData,
    run: RunContext,
    name: string,
  ): Promise<LatentStream> {
    // Weights that no file has cannot be told again.
    const isKnown = vae.weightFiles.length > 0;
    if (!run.options.cacheLatents || data.isRandom || !isKnown) {
      return new LatentStream((start) => encodedBatches(vae, data, start, run));
    }
    const { folder, signal, onProgress, onWarning } = run;
    const cache = await firstRankFirst(run.group, () =>
      LatentCache.open({
        folder: join(folder, 'cache', `latents-${name}`),
        data,
        autoencoder: vae,
        batchSize: run.options.batchSize,
        onProgress: ({ done, total }) => onProgress({ phase: 'latents', done, total }),
        onRebuild: onWarning,
        ...(signal && { signal }),
      }),
    );
    return new LatentStream((start) => cachedBatches(cache, data, vae.downscale, start, run));
  }

  /** Batches from this step on. */
  start(step: number): void {
    this.close();
    this.#batches = this.#open(step);
  }

  async next(): Promise<LatentBatch> {
    const { value } = (await this.#batches?.next()) ?? {};
    return value as LatentBatch; // requests have no end
  }

  close(): void {
    void this.#batches?.return(undefined).catch(() => {});
  }
}

async function* cachedBatches(
  cache: LatentCache,
  data: TrainingData,
  downscale: number,
  start: number,
  run: RunContext,
): AsyncGenerator<LatentBatch> {
  const job = run.signal ? { signal: run.signal } : {};
  for (const request of requestsFrom(start, data.length, run)) {
    const { latents, deviation } = await cache.batch(request.indices, job);
    const mask = await data.masks(request.indices, job);
    const weights = request.indices.map((index) => data.weights[index] as number);
    yield { ...request, latents, deviation, weights, mask: await atLatents(mask, downscale) };
  }
}

async function* encodedBatches(
  vae: Autoencoder,
  data: TrainingData,
  start: number,
  run: RunContext,
): AsyncGenerator<LatentBatch> {
  const job = run.signal ? { signal: run.signal } : {};
  for await (const batch of data.prefetch(requestsFrom(start, data.length, run), job)) {
    const { step, indices, sampleNumbers, weights } = batch;
    const { latents, deviation } = await encodeScaled(vae, batch.pixels, job);
    const mask = await atLatents(batch.mask, vae.downscale);
    batch.dispose();
    yield { step, indices, sampleNumbers, weights, latents, deviation, mask };
  }
}

async function atLatents(mask: Tensor | undefined, downscale: number): Promise<Tensor | undefined> {
  return mask && latentMask(mask, downscale);
}
