import type { Autoencoder } from '../models/autoencoder.js';
import { modelDigest } from '../pipeline/model-digest.js';
import { AutoencoderTrainer, type AutoencoderTrainerOptions } from './autoencoder-trainer.js';
import type { TrainingBatch } from './data/training-batch.js';
import type { TrainingData } from './data/training-data.js';
import type { MicroBatchLoss, RunContext } from './engine.js';
import { measureLatentScale } from './latent-scale.js';
import { requestsFrom } from './latent-stream.js';
import { namedSamples } from './non-finite.js';
import { type EngineParts, TrainerEngine } from './trainer-engine.js';
import { trainerSettings } from './trainer-settings.js';

/** @internal Trains an autoencoder on the data's pixels. */
export class AutoencoderEngine extends TrainerEngine<AutoencoderTrainer> {
  readonly #autoencoder: Autoencoder;
  readonly #data: TrainingData;
  #batches: AsyncGenerator<TrainingBatch> | undefined;

  private constructor(
    autoencoder: Autoencoder,
    data: TrainingData,
    parts: EngineParts<AutoencoderTrainer>,
  ) {
    super(parts);
    this.#autoencoder = autoencoder;
    this.#data = data;
  }

  static async open(
    autoencoder: Autoencoder,
    data: TrainingData,
    run: RunContext,
  ): Promise<AutoencoderEngine> {
    const digests = { model: await modelDigest(autoencoder), data: data.digest };
    const trainer = await AutoencoderTrainer.create(autoencoder, {
      ...(run.options.autoencoder as AutoencoderTrainerOptions | undefined),
      ...trainerSettings(run),
    });
    return new AutoencoderEngine(autoencoder, data, {
      run,
      trainer,
      digests,
      length: data.length,
    });
  }

  start(step: number): void {
    this.stop();
    this.#batches = this.#data.prefetch(requestsFrom(step, this.#data.length, this.run), {
      ...(this.run.signal && { signal: this.run.signal }),
    });
  }

  async accumulate(step: number, signal: AbortSignal | undefined): Promise<MicroBatchLoss> {
    const { value } = (await this.#batches?.next()) ?? {};
    const { pixels, sampleNumbers, ids, dispose } = value as TrainingBatch; // requests have no end
    try {
      return await this.trainer.accumulate({ pixels, sampleNumbers }, this.position(step, signal));
    } catch (error) {
      throw namedSamples(error, sampleNumbers, ids);
    } finally {
      dispose();
    }
  }

  /** An encoder that has changed has latents of another scale: it is measured, and noted in the config. */
  async saveResult(folder: string): Promise<void> {
    const vae = this.#autoencoder;
    if (this.run.options.autoencoder?.parts !== 'decoder') {
      const { scale } = await measureLatentScale(vae, this.#everyImage());
      await vae.setScalingFactor(scale);
    }
    await vae.save(folder);
  }

  async *#everyImage() {
    const { batchSize } = this.run.options;
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

  protected stop(): void {
    void this.#batches?.return(undefined).catch(() => {});
  }
}
