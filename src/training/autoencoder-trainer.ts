import { z } from 'zod';
import { invalidArgument } from '../errors.js';
import { Autoencoder } from '../models/autoencoder.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type {
  AutoencoderLosses,
  AutoencoderTrainerHandle,
  AutoencoderUpdate,
} from '../native/addon-types.js';
import { toSeed } from '../noise-source.js';
import { parseOptions } from '../parse-options.js';
import { handleOf, Tensor } from '../tensor.js';
import { type ProcessGroup, processGroupHandleOf } from './process-group.js';
import { commonTrainerOptions, type StepPosition, stepPosition, Trainer } from './trainer.js';
import type { EmaOptions, OptimizerOptions } from './trainer-options.js';

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
  ...commonTrainerOptions,
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
export class AutoencoderTrainer extends Trainer<AutoencoderUpdate> {
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
}
