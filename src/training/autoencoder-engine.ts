import type { Autoencoder } from '../models/autoencoder.js';
import { modelDigest } from '../pipeline/model-digest.js';
import { AutoencoderTrainer, type AutoencoderTrainerOptions } from './autoencoder-trainer.js';
import type { TrainingBatch } from './data/training-batch.js';
import type { TrainingData } from './data/training-data.js';
import type { Engine, EngineUpdate, MicroBatchLoss, RunContext } from './engine.js';
import { measureLatentScale } from './latent-scale.js';
import { requestsFrom } from './latent-stream.js';
import { namedSamples } from './non-finite.js';
import { trainerSettings } from './trainer-settings.js';

/** @internal Trains an autoencoder on the data's pixels. */
export class AutoencoderEngine implements Engine {
  readonly digests: Readonly<Record<string, string>>;
  readonly length: number;
  readonly #run: RunContext;
  readonly #autoencoder: Autoencoder;
  readonly #trainer: AutoencoderTrainer;
  readonly #data: TrainingData;
  #batches: AsyncGenerator<TrainingBatch> | undefined;

  private constructor(
    autoencoder: Autoencoder,
    data: TrainingData,
    trainer: AutoencoderTrainer,
    modelOfRun: string,
    run: RunContext,
  ) {
    this.#autoencoder = autoencoder;
    this.#data = data;
    this.#trainer = trainer;
    this.#run = run;
    this.length = data.length;
    this.digests = { model: modelOfRun, data: data.digest };
  }

  static async open(
    autoencoder: Autoencoder,
    data: TrainingData,
    run: RunContext,
  ): Promise<AutoencoderEngine> {
    const digest = await modelDigest(autoencoder);
    const trainer = await AutoencoderTrainer.create(autoencoder, {
      ...(run.options.autoencoder as AutoencoderTrainerOptions | undefined),
      ...trainerSettings(run),
    });
    return new AutoencoderEngine(autoencoder, data, trainer, digest, run);
  }

  start(step: number): void {
    this.#stop();
    this.#batches = this.#data.prefetch(requestsFrom(step, this.#data.length, this.#run), {
      ...(this.#run.signal && { signal: this.#run.signal }),
    });
  }

  async accumulate(step: number, signal: AbortSignal | undefined): Promise<MicroBatchLoss> {
    const { value } = (await this.#batches?.next()) ?? {};
    const { pixels, sampleNumbers, ids, dispose } = value as TrainingBatch; // requests have no end
    const microSteps = this.#run.options.gradientAccumulationSteps;
    try {
      const where = { step, microSteps, ...(signal && { signal }) };
      return await this.#trainer.accumulate({ pixels, sampleNumbers }, where);
    } catch (error) {
      throw namedSamples(error, sampleNumbers, ids);
    } finally {
      dispose();
    }
  }

  update(learningRate: number): Promise<EngineUpdate> {
    return this.#trainer.update(learningRate);
  }

  useAverage(average: boolean): Promise<void> {
    return this.#trainer.useAverage(average);
  }

  saveState(path: string): Promise<void> {
    return this.#trainer.saveState(path);
  }

  loadState(path: string): Promise<void> {
    return this.#trainer.loadState(path);
  }

  /** An encoder that has changed has latents of another scale: it is measured, and noted in the config. */
  async saveResult(folder: string): Promise<void> {
    const vae = this.#autoencoder;
    if (this.#run.options.autoencoder?.parts !== 'decoder') {
      const { scale } = await measureLatentScale(vae, this.#everyImage());
      await vae.setScalingFactor(scale);
    }
    await vae.save(folder);
  }

  close(): void {
    this.#stop();
    this.#trainer.dispose();
  }

  async *#everyImage() {
    const { batchSize } = this.#run.options;
    for (let first = 0; first < this.#data.length; first += batchSize) {
      const count = Math.min(batchSize, this.#data.length - first);
      const indices = Array.from({ length: count }, (_, row) => first + row);
      const batch = await this.#data.batch(indices, { step: 0, sampleNumbers: indices });
      const pixels = await batch.pixels.to({ device: this.#autoencoder.device });
      yield pixels;
      pixels.dispose();
      batch.dispose();
    }
  }

  #stop(): void {
    void this.#batches?.return(undefined).catch(() => {});
  }
}
