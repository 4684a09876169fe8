import { z } from 'zod';
import { invalidArgument } from '../errors.js';
import { TextEncoder } from '../models/text-encoder.js';
import { TextProjection } from '../models/text-projection.js';
import { UNet } from '../models/unet.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type {
  DenoiserLosses,
  DenoiserPart,
  DenoiserTrainerHandle,
  DenoiserUpdate,
  TensorHandle,
} from '../native/addon-types.js';
import { toSeed } from '../noise-source.js';
import { checkPath, jobOptions, parseOptions } from '../parse-options.js';
import { Scheduler } from '../scheduler.js';
import { handleOf, Tensor } from '../tensor.js';
import { type ProcessGroup, processGroupHandleOf } from './process-group.js';
import { commonTrainerOptions, type StepPosition, stepPosition, Trainer } from './trainer.js';
import type { EmaOptions, OptimizerOptions } from './trainer-options.js';

export type { DenoiserLosses, DenoiserPart, DenoiserUpdate };

/** What predicts noise: the U-Net, what conditions it, and how noise is added. */
export interface DenoiserModels {
  readonly unet: UNet;
  /** Needed for batches with `inputIds`. */
  readonly textEncoder?: TextEncoder | undefined;
  /** Between the text encoder's states and the U-Net. */
  readonly textProjection?: TextProjection | undefined;
  /** Its noise schedule and `prediction_type` say what the U-Net learns. */
  readonly scheduler: Scheduler;
}

/**
 * Low-rank additions beside frozen weights. Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models"
 * (2021).
 */
export interface LoraTrainingOptions {
  /** @default 4 */
  readonly rank?: number;
  /** The additions are multiplied by alpha / rank. @default rank */
  readonly alpha?: number;
  /** Which layers: those whose names end with one of these, part by part; `false` for none. */
  readonly targets?: {
    /** @default ['to_q', 'to_k', 'to_v', 'to_out.0'] */
    readonly unet?: readonly string[] | false;
    /** For CLIP, q_proj, k_proj, v_proj and out_proj are its attention. @default false */
    readonly textEncoder?: readonly string[] | false;
  };
}

/** What is trained, and how. At least one of `trainable`, `lora` and `tokens`. */
export interface DenoiserTrainerOptions {
  /** Parts that are trained whole. They must be float32; parts that are not trained may be of any dtype. */
  readonly trainable?: readonly DenoiserPart[];
  /** For parts that are not trained whole. */
  readonly lora?: LoraTrainingOptions;
  /**
   * Textual inversion: ids of the text encoder's token embedding whose rows are learned, by token. Every other
   * row stays as it is. Gal et al., "An Image is Worth One Word" (2022).
   */
  readonly tokens?: Readonly<Record<string, readonly number[]>>;
  /**
   * Limits what easy timesteps weigh; 5 is usual. Hang et al., "Efficient Diffusion Training via Min-SNR Weighting
   * Strategy" (2023). @default no weights
   */
  readonly snrGamma?: number;
  /** How much noise each channel has as a whole, so that very dark and very bright images are learned. @default 0 */
  readonly noiseOffset?: number;
  /** How much noise is added that the U-Net is not to predict. @default 0 */
  readonly inputPerturbation?: number;
  readonly optimizer?: OptimizerOptions;
  /** Gradients are scaled down to this norm. @default no limit */
  readonly maxGradNorm?: number;
  readonly ema?: EmaOptions;
  /** What the networks compute in; trained weights and losses stay float32. @default 'float32' */
  readonly precision?: 'float32' | 'bfloat16' | 'float16';
  /** Computes activations a second time instead of keeping them: less memory, more time. @default false */
  readonly gradientCheckpointing?: boolean;
  /** Of everything that is drawn, 0 … 2⁶⁴ − 1. @default 0 */
  readonly seed?: number | bigint;
  /** The processes to train with: gradients are averaged over them. */
  readonly processGroup?: ProcessGroup;
}

const layers = z.union([z.array(z.string().min(1)), z.literal(false)]);
const loraOptions = z.strictObject({
  rank: z.int().min(1).default(4),
  alpha: z.number().positive().optional(),
  targets: z
    .strictObject({
      unet: layers.default(['to_q', 'to_k', 'to_v', 'to_out.0']),
      textEncoder: layers.default(false),
    })
    .prefault({}),
});
const amount = z.number().min(0).default(0);
const trainerOptions = z.strictObject({
  ...commonTrainerOptions,
  trainable: z.array(z.enum(['unet', 'textEncoder', 'textProjection'])).default([]),
  lora: loraOptions.optional(),
  tokens: z.record(z.string().min(1), z.array(z.int().min(0)).min(1)).default({}),
  snrGamma: z.number().positive().optional(),
  noiseOffset: amount,
  inputPerturbation: amount,
  gradientCheckpointing: z.boolean().default(false),
});

/** Latents and what conditions them, a row a sample. */
export interface DenoiserBatch {
  /** [N, C, h, w] float32, times the autoencoder's scaling factor: the mean of each image's latents. */
  readonly latents: Tensor;
  /** [N, C, h, w], scaled alike: what is trained on is drawn around the mean. @default the mean itself */
  readonly deviation?: Tensor;
  /** [N, L] int64: the text encoder runs. Needed where it, or tokens, are trained. */
  readonly inputIds?: Tensor;
  /** [N, L], 0 where neither the text encoder nor the U-Net attends to anything. @default everywhere */
  readonly attentionMask?: Tensor;
  /** [N, L, D]: the text encoder's states, before the projection where there is one. In place of `inputIds`. */
  readonly encoderHiddenStates?: Tensor;
  /** Each sample's number in the order of the whole data; what is drawn for it follows from it, seed and step. */
  readonly sampleNumbers: readonly number[];
  /** What each sample's loss is multiplied by. @default 1 each */
  readonly lossWeights?: readonly number[];
  /** Which samples take no min-SNR weight: class images of prior preservation. @default none */
  readonly prior?: readonly boolean[];
  /** [N, 1, h, w]: what each place of the latents weighs in its sample's loss. @default 1 each */
  readonly mask?: Tensor;
  /** [N, C, h, w], in place of what follows from `sampleNumbers`. */
  readonly noise?: Tensor;
  /** In place of those that follow from `sampleNumbers`. */
  readonly timesteps?: readonly number[];
}

const tensor = z.instanceof(Tensor);
const batchSchema = z.strictObject({
  latents: tensor,
  deviation: tensor.optional(),
  inputIds: tensor.optional(),
  attentionMask: tensor.optional(),
  encoderHiddenStates: tensor.optional(),
  sampleNumbers: z.array(z.int().min(0)),
  lossWeights: z.array(z.number().min(0)).optional(),
  prior: z.array(z.boolean()).optional(),
  mask: tensor.optional(),
  noise: tensor.optional(),
  timesteps: z.array(z.int().min(0)).optional(),
});

/**
 * Trains what predicts noise in latents, in place and step by step: `accumulate` each of a step's batches, then
 * `update`. Whole parts, low-rank additions, single tokens, or several of them. While the trainer lives, the
 * models' own calls use what is being learned. After {@link dispose} whole parts and tokens keep it; low-rank
 * additions are taken out: load the file of {@link saveLora} to go on using them. The models' files are not
 * touched.
 *
 * Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022).
 */
export class DenoiserTrainer extends Trainer<DenoiserUpdate> {
  readonly #handle: DenoiserTrainerHandle;

  private constructor(handle: DenoiserTrainerHandle) {
    super(handle);
    this.#handle = handle;
  }

  /**
   * @throws `ERR_INVALID_ARG` where nothing is trained, a part is missing, is trained in two ways or already, or
   * no layer has a target's name; `ERR_DTYPE` for a part trained whole that is not float32; `ERR_PROCESS_GROUP`
   * where processes start from different weights.
   */
  static async create(
    models: DenoiserModels,
    options: DenoiserTrainerOptions & JobOptions,
  ): Promise<DenoiserTrainer> {
    const { signal, lora, seed, processGroup, maxGradNorm, ...rest } = parseOptions(
      trainerOptions,
      options,
      'DenoiserTrainer.create',
    );
    const handles = modelHandles(models);
    const request = {
      ...rest,
      lora: lora ? loraRequest(lora) : null,
      snrGamma: rest.snrGamma ?? null,
      ema: rest.ema ?? null,
      maxGradNorm: maxGradNorm ?? null,
      seed: toSeed(seed),
      processGroup: processGroup ? processGroupHandleOf(processGroup) : null,
    };
    return new DenoiserTrainer(
      await runJob(signal, async (token) => addon().createDenoiserTrainer(handles, request, token)),
    );
  }

  /**
   * Computes a batch's losses and adds its gradients. A batch that is refused, or that a signal stops, adds
   * nothing.
   *
   * @throws `ERR_SHAPE`, `ERR_DTYPE`, `ERR_INVALID_ARG` naming what does not fit; `ERR_NON_FINITE` with `step` and
   * `samples` for latents or a loss that are no numbers; `ERR_PROCESS_GROUP`.
   */
  async accumulate(batch: DenoiserBatch, position: StepPosition): Promise<DenoiserLosses> {
    const given = parseOptions(batchSchema, batch, 'accumulate');
    const { signal, ...where } = parseOptions(stepPosition, position, 'accumulate');
    const inputs = {
      latents: handleOf(given.latents, 'latents'),
      deviation: optionalHandle(given.deviation, 'deviation'),
      inputIds: optionalHandle(given.inputIds, 'inputIds'),
      attentionMask: optionalHandle(given.attentionMask, 'attentionMask'),
      encoderHiddenStates: optionalHandle(given.encoderHiddenStates, 'encoderHiddenStates'),
      sampleNumbers: given.sampleNumbers,
      lossWeights: given.lossWeights ?? null,
      prior: given.prior ?? null,
      mask: optionalHandle(given.mask, 'mask'),
      noise: optionalHandle(given.noise, 'noise'),
      timesteps: given.timesteps ?? null,
    };
    return runJob(signal, async (token) => this.#handle.accumulate(inputs, where, token));
  }

  /** Copies of the rows that are learned, [vectors, D] by token. */
  async learnedTokens(options: JobOptions = {}): Promise<Record<string, Tensor>> {
    const { signal } = parseOptions(jobOptions, options, 'learnedTokens');
    const found = await runJob(signal, async (token) => this.#handle.learnedTokens(token));
    return Object.fromEntries(
      Object.entries(found).map(([name, handle]) => [name, new Tensor(handle)]),
    );
  }

  /**
   * Writes the low-rank additions as diffusers does (pytorch_lora_weights.safetensors).
   *
   * @throws `ERR_INVALID_ARG` without `lora`; `ERR_WRITE`.
   */
  async saveLora(path: string, options: JobOptions = {}): Promise<void> {
    const { signal } = parseOptions(jobOptions, options, 'saveLora');
    checkPath(path);
    await runJob(signal, async (token) => this.#handle.saveLora(path, token));
  }
}

function modelHandles(models: DenoiserModels) {
  const { unet, textEncoder, textProjection, scheduler } = models ?? {};
  if (!(unet instanceof UNet)) throw invalidArgument('unet', 'a UNet', unet);
  if (textEncoder !== undefined && !(textEncoder instanceof TextEncoder))
    throw invalidArgument('textEncoder', 'a TextEncoder', textEncoder);
  if (textProjection !== undefined && !(textProjection instanceof TextProjection))
    throw invalidArgument('textProjection', 'a TextProjection', textProjection);
  if (!(scheduler instanceof Scheduler))
    throw invalidArgument('scheduler', 'a Scheduler', scheduler);
  return {
    unet: unet.handle,
    textEncoder: textEncoder?.handle ?? null,
    textProjection: textProjection?.handle ?? null,
    scheduler: scheduler.handle,
  };
}

function loraRequest({ rank, alpha = rank, targets }: z.output<typeof loraOptions>) {
  const { unet, textEncoder } = targets;
  return { rank, alpha, unet: unet || [], textEncoder: textEncoder || [] };
}

function optionalHandle(given: Tensor | undefined, name: string): TensorHandle | null {
  return given ? handleOf(given, name) : null;
}
