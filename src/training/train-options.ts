import { z } from 'zod';
import type { Autoencoder } from '../models/autoencoder.js';
import { checkedLater } from '../parse-options.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import type { TrainingSource } from './data/training-source.js';
import { dependsOnLength, learningRateSchedules } from './learning-rate.js';
import { type ProcessGroup, processGroupOption } from './process-group.js';
import type { TrainCallbacks } from './train-events.js';
import { emaConfig, optimizerOptions } from './trainer-options.js';

const natural = z.int().min(0);
const positive = z.int().min(1);
const amount = z.number().min(0);
const layerNames = z.union([z.array(z.string().min(1)), z.literal(false)]);
const parts = ['unet', 'textEncoder', 'textProjection'] as const;

/** The ways of the paper, and those of today. */
export const trainingMethods = [
  'unet',
  'lora',
  'textual-inversion',
  'text-encoder',
  'projection',
  'autoencoder',
] as const;

/** @internal What a run's result depends on; what it was is asked for again when it goes on. */
const identity = {
  method: z
    .enum(trainingMethods)
    .optional()
    .describe('what is trained; or name parts in `trainable`'),
  trainable: z
    .array(z.enum(parts))
    .optional()
    .describe('parts that are trained whole, several at once'),
  fromScratch: z
    .array(z.enum(['unet', 'textEncoder', 'vae']))
    .default([])
    .describe('parts that begin with random weights: only their configs are read'),
  lora: z
    .strictObject({
      rank: positive.default(4),
      alpha: z.number().positive().optional().describe('default: the rank'),
      targets: z
        .strictObject({
          unet: layerNames.default(['to_q', 'to_k', 'to_v', 'to_out.0']),
          textEncoder: layerNames.default(false),
        })
        .prefault({}),
    })
    .optional()
    .describe('low-rank additions: rank, alpha, targets'),
  tokens: z
    .record(
      z.string().min(1),
      z.strictObject({
        initializer: z.string().min(1).describe('a word of one token, where the new one begins'),
        vectors: positive.default(1),
      }),
    )
    .optional()
    .describe('textual inversion: { "<effusion>": { initializer: "fluid", vectors: 1 } }'),
  autoencoder: z
    .strictObject({
      parts: z.enum(['all', 'decoder']).default('all'),
      reconstruction: z.enum(['l1', 'l2']).default('l1'),
      klWeight: amount.default(1e-6),
      perceptual: z
        .strictObject({
          features: z.string().min(1),
          linear: z.string().min(1),
          weight: amount.default(1),
        })
        .optional(),
      discriminator: z
        .strictObject({
          startStep: natural.default(50001),
          weight: amount.default(0.5),
          channels: positive.default(64),
          layers: positive.max(8).default(3),
        })
        .optional(),
    })
    .optional()
    .describe('losses of the method "autoencoder"; see AutoencoderTrainer'),

  resolution: positive.default(512).describe('width and height of the images, in pixels'),
  resize: z
    .enum(['letterbox', 'center-crop', 'random-crop'])
    .default('letterbox')
    .describe('how images of another shape come to it'),
  horizontalFlip: z
    .boolean()
    .default(false)
    .describe('mirrors half of the images: a mirrored heart is another diagnosis'),
  captionDropout: amount
    .max(1)
    .default(0.1)
    .describe('share of samples without their text, for guidance'),

  learningRate: amount
    .optional()
    .describe('default: 1e-5 for whole parts, 1e-4 for LoRA and the autoencoder, 5e-4 for tokens'),
  lrScheduler: z.enum(learningRateSchedules).default('constant'),
  lrWarmupSteps: natural.default(0).describe('steps from a rate of 0 (not of "constant")'),
  lrNumCycles: positive.default(1).describe('of "cosine_with_restarts"'),
  lrPower: z.number().positive().default(1).describe('of "polynomial"'),
  optimizer: optimizerOptions
    .prefault({})
    .describe('name (adamw, sgd), betas, eps, weightDecay, momentum'),
  maxGradNorm: z
    .union([z.number().positive(), z.literal(false)])
    .optional()
    .describe(
      'gradients are scaled down to this norm; false: never. default: 1, and false for tokens and the autoencoder',
    ),
  ema: z
    .union([z.boolean(), emaConfig])
    .default(false)
    .describe('averages the weights and ends with the average: true, or decay, invGamma, power'),
  precision: z
    .enum(['float32', 'bfloat16', 'float16'])
    .default('float32')
    .describe('of the computation'),

  snrGamma: z
    .number()
    .positive()
    .optional()
    .describe('min-SNR weights (Hang et al., 2023); 5 is usual'),
  noiseOffset: amount.default(0).describe('noise of each channel as a whole'),
  inputPerturbation: amount.default(0).describe('noise that is not to be predicted; 0.1 is usual'),
  priorPreservation: z
    .strictObject({
      prompt: z.string().describe('what the images of the class show'),
      images: positive.default(100),
      weight: amount.default(1),
      steps: positive.default(50),
      guidanceScale: amount.default(7.5),
    })
    .optional()
    .describe('keeps what the model knows, by images that it makes itself first (DreamBooth)'),
  seed: natural.default(0).describe('of everything that is drawn'),
};

const course = {
  gradientCheckpointing: z.boolean().default(false).describe('less memory, more time'),
  gradientAccumulationSteps: positive.default(1).describe('batches that make one step'),
  batchSize: positive.default(4).describe('images a process computes at a time'),
  dataloaderNumWorkers: positive
    .default(3)
    .describe('images decoded at a time; raise UV_THREADPOOL_SIZE with it'),
  maxTrainSteps: positive.optional().describe('how many steps; or `epochs`'),
  epochs: z.number().positive().optional().describe('how often each image is seen'),
  cacheLatents: z
    .boolean()
    .default(true)
    .describe('keeps latents on disk (not with random-crop or flips)'),
  checkpointingSteps: positive.default(500).describe('steps between checkpoints'),
  checkpointsTotalLimit: positive.optional().describe('how many are kept; default: all'),
  validation: z
    .strictObject({
      prompts: z.array(z.string()).min(1),
      everySteps: positive.default(500),
      steps: positive.default(30),
      guidanceScale: amount.default(7.5),
      seed: natural.default(0),
    })
    .optional()
    .describe('images on the way: prompts, everySteps, steps, guidanceScale, seed'),
  resume: z.string().optional().describe('"latest", or the folder of a checkpoint'),
};

/**
 * What a run can be told in a file: the options of {@link train} that are data. Names are those of diffusers'
 * training scripts, in camel case.
 */
export const trainConfig = z.strictObject({ ...identity, ...course });

const callback = z
  .custom<unknown>((value) => typeof value === 'function', 'expected a function')
  .optional();

/** @internal {@link TrainOptions} as they come in: the objects are checked where they are used. */
export const trainOptions = z.strictObject({
  ...trainConfig.shape,
  pipeline: checkedLater(),
  dataset: checkedLater(),
  output: z.string().min(1),
  device: z.string().min(1).optional(),
  processGroup: processGroupOption,
  signal: z.instanceof(AbortSignal).optional(),
  onStep: callback,
  onProgress: callback,
  onWarning: callback,
});

export type TrainConfig = z.input<typeof trainConfig>;
export type TrainingMethod = (typeof trainingMethods)[number];

/** What {@link train} takes: a {@link TrainConfig}, and what no file can hold. */
export interface TrainOptions extends TrainConfig, TrainCallbacks {
  /**
   * The model, or its folder; for the method `autoencoder` an autoencoder will do. What is passed in is changed in
   * place; its files are not touched.
   */
  readonly pipeline: Pipeline | Autoencoder | string;
  /** Images and texts: a folder with metadata.jsonl, or anything that can be iterated over. */
  readonly dataset: TrainingSource;
  /** The run's folder: checkpoints, metrics and the result. */
  readonly output: string;
  /**
   * Where a pipeline that is given as a folder is computed: `'cpu'`, `'cuda'` or `'cuda:N'`; of several processes on a
   * machine, `'cuda'` is the GPU of each one's own. @default LATENTRAY_DEVICE, or 'cpu'
   */
  readonly device?: string | undefined;
  /** @default the processes that torchrun's variables name, or this one alone */
  readonly processGroup?: ProcessGroup | undefined;
  /** Stops within a step, writes a checkpoint, and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** @internal */
export type ParsedTrainConfig = z.output<typeof trainConfig>;

/** @internal Options with everything decided that follows from the method and the data's size. */
export interface ResolvedTrainConfig extends ParsedTrainConfig {
  readonly learningRate: number;
  readonly maxGradNorm: number | false;
  readonly maxTrainSteps: number;
}

/** @internal The part of the options that a run's result follows from. */
export function identityOf(options: ResolvedTrainConfig): Record<string, unknown> {
  const names = Object.keys(identity) as (keyof typeof identity)[];
  return {
    ...Object.fromEntries(names.map((name) => [name, options[name] ?? null])),
    // A run of another length would have had other rates from its start.
    ...(dependsOnLength(options.lrScheduler) && { maxTrainSteps: options.maxTrainSteps }),
  };
}
