import { z } from 'zod';
import { invalidArgument } from '../errors.js';
import { Autoencoder } from '../models/autoencoder.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type {
  AutoencoderLosses,
  AutoencoderTrainerHandle,
  AutoencoderUpdate,
} from '../native/addon-types.js';
import { NativeObject } from '../native/native-object.js';
import { toSeed } from '../noise-source.js';
import { checkPath, jobOptions, parseOptions } from '../parse-options.js';
import { handleOf, Tensor } from '../tensor.js';
import { type ProcessGroup, processGroupHandleOf, processGroupOption } from './process-group.js';
import {
  type EmaOptions,
  emaOptions,
  type OptimizerOptions,
  optimizerOptions,
} from './trainer-options.js';

/**
 * LPIPS: how different two images look to a network that was trained to recognise things. Zhang et al., "The
 * Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (2018).
 */
export interface PerceptualLossOptions {
  /** torchvision's VGG16: its published file, or one with `features.0.weight` … in it. */
  readonly features: string;
  /** lpips' weights for VGG16 (`vgg.pth`, version 0.1). */
  readonly linear: string;
  /** How much of it is added to every pixel's error. @default 1 */
  readonly weight?: number;
}

/**
 * A network that judges patches as real or made, trained beside the autoencoder. Isola et al., "Image-to-Image
 * Translation with Conditional Adversarial Networks" (2017), with the hinge loss and the adaptive weight of Esser
 * et al., "Taming Transformers for High-Resolution Image Synthesis" (2021).
 */
export interface PatchDiscriminatorOptions {
  /** The first step in which it takes part, from 0. @default 50001 */
  readonly startStep?: number;
  /** Times the ratio of the gradients at the decoder's last layer. @default 0.5 */
  readonly weight?: number;
  /** Channels of the first convolution. @default 64 */
  readonly channels?: number;
  /** Halvings of the image: 3 judges patches of 70 × 70 pixels. @default 3 */
  readonly layers?: number;
}

/** What an autoencoder is trained for, and how. */
export interface AutoencoderTrainerOptions {
  /** What is trained. With the decoder alone, latents keep their meaning for diffusion models. @default 'all' */
  readonly parts?: 'all' | 'decoder';
  /** A pixel's error: absolute or squared. @default 'l1' */
  readonly reconstruction?: 'l1' | 'l2';
  /** Of the latents' divergence from a normal distribution. @default 1e-6 */
  readonly klWeight?: number;
  readonly perceptual?: PerceptualLossOptions;
  readonly discriminator?: PatchDiscriminatorOptions;
  /** Of the discriminator too. */
  readonly optimizer?: OptimizerOptions;
  /** Gradients are scaled down to this norm. @default no limit */
  readonly maxGradNorm?: number;
  readonly ema?: EmaOptions;
  /** What the networks compute in; weights and losses stay float32. @default 'float32' */
  readonly precision?: 'float32' | 'bfloat16' | 'float16';
  /** Of the latents' noise and the discriminator's first weights, 0 … 2⁶⁴ − 1. @default 0 */
  readonly seed?: number | bigint;
  /** The processes to train with: gradients are averaged over them. */
  readonly processGroup?: ProcessGroup;
}

const positive = z.int().min(1);
const weight = z.number().min(0);
const trainerOptions = z.strictObject({
  ...jobOptions.shape,
  parts: z.enum(['all', 'decoder']).default('all'),
  reconstruction: z.enum(['l1', 'l2']).default('l1'),
  klWeight: weight.default(1e-6),
  perceptual: z
    .strictObject({
      features: z.string().min(1),
      linear: z.string().min(1),
      weight: weight.default(1),
    })
    .optional(),
  discriminator: z
    .strictObject({
      startStep: z.int().min(0).default(50001),
      weight: weight.default(0.5),
      channels: positive.default(64),
      layers: positive.max(8).default(3),
    })
    .optional(),
  optimizer: optimizerOptions.prefault({}),
  maxGradNorm: z.number().positive().optional(),
  ema: emaOptions.optional(),
  precision: z.enum(['float32', 'bfloat16', 'float16']).default('float32'),
  seed: z.union([z.number(), z.bigint()]).default(0),
  processGroup: processGroupOption,
});

/** Images to train on. */
export interface AutoencoderBatch {
  /** [N, C, H, W] in [−1, 1], float32 and on the autoencoder's device. */
  readonly pixels: Tensor;
  /** Each image's number in the order of the whole data; its noise follows from it, the seed and the step. */
  readonly sampleNumbers: readonly number[];
  /** The latents' noise [N, latent channels, H/8, W/8], in place of what follows from `sampleNumbers`. */
  readonly noise?: Tensor;
}

/** Where in the run a batch stands. */
export interface StepPosition extends JobOptions {
  /** The step, from 0. */
  readonly step: number;
  /** How many batches make one step. @default 1 */
  readonly microSteps?: number;
}

const stepPosition = z.strictObject({
  ...jobOptions.shape,
  step: z.int().min(0),
  microSteps: positive.default(1),
});
const batchSchema = z.strictObject({
  pixels: z.instanceof(Tensor),
  sampleNumbers: z.array(z.int().min(0)),
  noise: z.instanceof(Tensor).optional(),
});

export type { AutoencoderLosses, AutoencoderUpdate };

/**
 * Trains an `AutoencoderKL` in place, step by step: `accumulate` each of a step's batches, then `update`. The
 * model's files are not touched; save it with {@link Autoencoder.save}. Losses are summed over an image's pixels
 * and averaged over images, as published, so that published weights apply. Disposing of the trainer frees what
 * only training needs; the model stays as it is.
 *
 * Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022), section 3.1.
 */
export class AutoencoderTrainer extends NativeObject {
  readonly #handle: AutoencoderTrainerHandle;

  private constructor(handle: AutoencoderTrainerHandle) {
    super(handle);
    this.#handle = handle;
  }

  /**
   * @throws `ERR_INVALID_ARG` for an autoencoder that is no `AutoencoderKL`; `ERR_DTYPE` for one that is not
   * float32; `ERR_MODEL_NOT_FOUND`, `ERR_WEIGHTS_…` for the perceptual loss's files; `ERR_PROCESS_GROUP` where
   * processes start from different weights.
   */
  static async create(
    autoencoder: Autoencoder,
    options: AutoencoderTrainerOptions & JobOptions = {},
  ): Promise<AutoencoderTrainer> {
    const parsed = parseOptions(trainerOptions, options, 'AutoencoderTrainer.create');
    if (!(autoencoder instanceof Autoencoder))
      throw invalidArgument('autoencoder', 'an Autoencoder', autoencoder);
    const { signal, parts, seed, processGroup, maxGradNorm, ...rest } = parsed;
    const request = {
      ...rest,
      decoderOnly: parts === 'decoder',
      perceptual: rest.perceptual ?? null,
      discriminator: rest.discriminator ?? null,
      ema: rest.ema ?? null,
      maxGradNorm: maxGradNorm ?? null,
      seed: toSeed(seed),
      processGroup: processGroup ? processGroupHandleOf(processGroup) : null,
    };
    return new AutoencoderTrainer(
      await runJob(signal, async (token) =>
        addon().createAutoencoderTrainer(autoencoder.handle, request, token),
      ),
    );
  }

  /**
   * Computes a batch's losses and adds its gradients.
   *
   * @throws `ERR_SHAPE`, `ERR_DTYPE`; `ERR_NON_FINITE` with `step` and `samples` for a loss that is no number;
   * `ERR_PROCESS_GROUP`.
   */
  async accumulate(batch: AutoencoderBatch, position: StepPosition): Promise<AutoencoderLosses> {
    const { pixels, sampleNumbers, noise } = parseOptions(batchSchema, batch, 'accumulate');
    const { signal, ...where } = parseOptions(stepPosition, position, 'accumulate');
    const inputs = {
      pixels: handleOf(pixels, 'pixels'),
      sampleNumbers,
      noise: noise ? handleOf(noise, 'noise') : null,
    };
    return runJob(signal, async (token) => this.#handle.accumulate(inputs, where, token));
  }

  /**
   * Ends a step: averages gradients over the processes, clips them and changes the weights.
   *
   * @param learningRate - From 0 on.
   * @throws `ERR_INVALID_ARG` before all of the step's batches are there; `ERR_NON_FINITE` for gradients that are
   * no numbers (in float16 the step is skipped); `ERR_PROCESS_GROUP`.
   */
  async update(learningRate: number, options: JobOptions = {}): Promise<AutoencoderUpdate> {
    const { signal } = parseOptions(jobOptions, options, 'update');
    if (!Number.isFinite(learningRate) || learningRate < 0)
      throw invalidArgument('learningRate', 'a number from 0 on', learningRate);
    return runJob(signal, async (token) => this.#handle.update(learningRate, token));
  }

  /** Copies of the gradients that the step has so far, by parameter (`discriminator.…` for the discriminator's). */
  async gradients(options: JobOptions = {}): Promise<Record<string, Tensor>> {
    const { signal } = parseOptions(jobOptions, options, 'gradients');
    const found = await runJob(signal, async (token) => this.#handle.gradients(token));
    return Object.fromEntries(
      Object.entries(found).map(([name, handle]) => [name, new Tensor(handle)]),
    );
  }

  /** Puts the averaged weights into the model (`true`), or its own back. @throws `ERR_INVALID_ARG` without `ema`. */
  async useAverage(average: boolean, options: JobOptions = {}): Promise<void> {
    const { signal } = parseOptions(jobOptions, options, 'useAverage');
    await runJob(signal, async (token) => this.#handle.useAverage(average, token));
  }

  /**
   * Writes everything that changes while training: the weights, the optimizers' state, the average, the
   * discriminator. A run that goes on from it goes on bit for bit, with any number of processes.
   *
   * @throws `ERR_WRITE`; `ERR_INVALID_ARG` while the averaged weights are in the model.
   */
  async saveState(path: string, options: JobOptions = {}): Promise<void> {
    const { signal } = parseOptions(jobOptions, options, 'saveState');
    checkPath(path);
    await runJob(signal, async (token) => this.#handle.saveState(path, token));
  }

  /** Goes on from what {@link saveState} wrote. @throws `ERR_WEIGHTS_…` for the state of other options. */
  async loadState(path: string, options: JobOptions = {}): Promise<void> {
    const { signal } = parseOptions(jobOptions, options, 'loadState');
    checkPath(path);
    await runJob(signal, async (token) => this.#handle.loadState(path, token));
  }
}
