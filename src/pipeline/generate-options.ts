import { z } from 'zod';
import { type CustomScheduler, isCustomScheduler } from '../custom-scheduler.js';
import { LatentrayError } from '../errors.js';
import { Image } from '../image/image.js';
import { Autoencoder } from '../models/autoencoder.js';
import type { JobOptions } from '../native/addon.js';
import { Scheduler, type SchedulerConfig, type Steps } from '../scheduler.js';
import { Tensor } from '../tensor.js';
import type { ImageInput } from './input-images.js';
import type { PromptEmbeddings } from './prompt-embeddings.js';

/** What {@link DiffusionOptions.onStep} is told after each step. */
export interface StepEvent {
  readonly stage: 'denoise';
  /** Steps made so far, from 1 to `steps`. */
  readonly step: number;
  /** Model calls in all; schedulers of second order make two a step. */
  readonly steps: number;
  /** The training timestep just left. */
  readonly timestep: number;
  /** The latents after this step, [N, C, h, w]: valid until disposed, and not overwritten later. */
  readonly latents: Tensor;
  readonly elapsedMs: number;
  /**
   * The latents as pictures, decoded now by {@link DiffusionOptions.preview}, or by the pipeline's own
   * autoencoder.
   */
  preview(): Promise<Image[]>;
  /**
   * Ends the run here (schedulers of second order: when the step's second call is made). The call resolves
   * with the latents as they are, and says in `nextStep` where to go on.
   */
  interrupt(): void;
}

/** What {@link DiffusionOptions.onProgress} is told. */
export interface Progress {
  readonly stage: 'encode' | 'denoise' | 'decode';
  readonly step: number;
  readonly steps: number;
  readonly elapsedMs: number;
}

/** An image of structure that steers a pipeline's ControlNet. */
export interface ControlOptions {
  /** Of the pixels' size; one for all, or one an image. What it shows is up to the ControlNet. */
  readonly image: ImageInput;
  /** How strongly, 0 … 2. @default 1 */
  readonly scale?: number;
  /** The share of the run's steps at which it begins, 0 … 1. @default 0 */
  readonly start?: number;
  /** The share of the run's steps at which it ends, 0 … 1. @default 1 */
  readonly end?: number;
}

/** What every kind of run takes; the defaults are diffusers'. */
export interface DiffusionOptions extends JobOptions {
  /** One text, or one for each image. Needed unless `promptEmbeddings` is given. */
  readonly prompt?: string | readonly string[];
  /** What to stay away from: one text for all, or one for each prompt. @default '' */
  readonly negativePrompt?: string | readonly string[];
  /** Denoising steps, 1 … 1000. @default 50 */
  readonly steps?: number;
  /** The training timesteps to visit, descending, in place of `steps`. */
  readonly timesteps?: readonly number[];
  /** The noise levels to visit, descending, the final one (usually 0) included, in place of `steps`. */
  readonly sigmas?: readonly number[];
  /** Classifier-free guidance; 1 and below runs the prompt alone. @default 7.5 */
  readonly guidanceScale?: number;
  /** 0 … 1: brings the guided prediction back to the prompt's contrast. @default 0 */
  readonly guidanceRescale?: number;
  /**
   * The share of the run in which guidance is on, such as `[0.2, 0.8]`; outside of it the prompt runs alone,
   * at half the cost (arXiv 2404.07724). @default [0, 1]
   */
  readonly guidanceInterval?: readonly [start: number, end: number];
  /** DDIM's noise, 0 … 1. @default 0 */
  readonly eta?: number;
  /**
   * 0 … 2⁶⁴ − 1. One seed draws the whole batch, as one `torch.Generator` does; a list has one for each
   * image. @default a random seed for each image, returned in `seeds`
   */
  readonly seed?: number | bigint | readonly (number | bigint)[];
  /** @default 1 */
  readonly imagesPerPrompt?: number;
  /** [N, L, D] in place of `prompt`, or what {@link Pipeline.encodePrompt} gives. */
  readonly promptEmbeddings?: Tensor | PromptEmbeddings;
  /** [N, L, D] in place of `negativePrompt`, or what {@link Pipeline.encodePrompt} gives. */
  readonly negativePromptEmbeddings?: Tensor | PromptEmbeddings;
  /**
   * What happens to a text that is longer than the text encoder takes (77 tokens for CLIP): `'truncate'` cuts
   * it, as diffusers does, and says so; `'chunk'` encodes it in chunks of full length, each with its own start
   * and end tokens, and lines their states up. The other prompts are filled up with empty chunks.
   * @default 'truncate'
   */
  readonly longPrompt?: 'truncate' | 'chunk';
  /** Leaves out the text encoder's last layers. @default 0 */
  readonly clipSkip?: number;
  /**
   * A sampler for this call: an object (one of your own, too), a config, or a name that takes over the
   * pipeline's config.
   */
  readonly scheduler?: string | SchedulerConfig | Scheduler | CustomScheduler;
  /** What steers the pipeline's ControlNet; a list has one for each of several. */
  readonly control?: ControlOptions | readonly ControlOptions[];
  /**
   * Steering without a prompt, by the structure alone (use it with `guidanceScale` 3 … 5): a ControlNet works on
   * the prompt's half of guidance only, and more weakly on the U-Net's upper levels. Needs `control`.
   * @default false
   */
  readonly guessMode?: boolean;
  /** `'image'`: {@link Image}s; `'pixels'`: a tensor [N, 3, H, W] in [0, 1]; `'latents'`. @default 'image' */
  readonly output?: 'image' | 'pixels' | 'latents';
  /** Encode and decode one image at a time, or in tiles of so many pixels (`true`: the model's own size). */
  readonly slicing?: boolean;
  readonly tiling?: boolean | number;
  /** What {@link StepEvent.preview} decodes with: an AutoencoderTiny of the same latents is quick. */
  readonly preview?: Autoencoder;
  /**
   * Called after each step; the run waits for what it returns, and rejects with what it throws.
   */
  readonly onStep?: (event: StepEvent) => unknown;
  /** Called as stages and steps go by. */
  readonly onProgress?: (progress: Progress) => void;
}

/** How images are generated; the defaults are diffusers'. */
export interface GenerateOptions extends DiffusionOptions {
  /** Pixels, a multiple of the autoencoder's downscale (8). @default what the U-Net was trained for */
  readonly width?: number;
  /** Pixels, a multiple of the autoencoder's downscale (8). @default what the U-Net was trained for */
  readonly height?: number;
  /**
   * Noise of unit variance to start from, [N, C, height / 8, width / 8], in place of the seeds'; with
   * `startStep`, the latents to go on from, as they are.
   */
  readonly latents?: Tensor;
  /** Where to go on with `latents`: the `nextStep` of an interrupted run of as many steps. */
  readonly startStep?: number;
}

const texts = z.union([z.string(), z.array(z.string()).min(1)]);
const seed = z.union([z.number().int().nonnegative(), z.bigint().nonnegative()]);
const tensor = instanceOf(Tensor);
const embeddings = z.union([tensor, z.strictObject({ states: tensor, mask: tensor.nullable() })]);
const fraction = z.number().min(0).max(1);

/** @internal One or several of {@link Image}, or pixels. */
export const imageInput = z.union(
  [instanceOf(Image), tensor, z.array(instanceOf(Image)).min(1)],
  'expected an Image, an array of Images, or a Tensor [N, 3, H, W] in [0, 1]',
);

const control = z
  .strictObject({
    image: imageInput,
    scale: z.number().min(0).max(2).default(1),
    start: fraction.default(0),
    end: fraction.default(1),
  })
  .refine(({ start, end }) => start < end, 'expected start to be less than end');

/** @internal The schema of {@link DiffusionOptions}, field by field. */
export const diffusionOptions = {
  prompt: texts.optional(),
  negativePrompt: texts.default(''),
  steps: z.number().int().min(1).max(1000).optional(),
  timesteps: z.array(z.number().nonnegative()).min(1).max(1000).optional(),
  sigmas: z.array(z.number().nonnegative()).min(2).max(1001).optional(),
  guidanceScale: z.number().min(0).max(1000).default(7.5),
  guidanceRescale: fraction.default(0),
  guidanceInterval: z
    .tuple([fraction, fraction])
    .refine(([start, end]) => start < end, 'expected [start, end] with start less than end')
    .default([0, 1]),
  eta: fraction.default(0),
  seed: z.union([seed, z.array(seed).min(1)]).optional(),
  imagesPerPrompt: z.number().int().min(1).default(1),
  promptEmbeddings: embeddings.optional(),
  negativePromptEmbeddings: embeddings.optional(),
  longPrompt: z.enum(['truncate', 'chunk']).default('truncate'),
  clipSkip: z.number().int().nonnegative().default(0),
  scheduler: z
    .union([
      z.string(),
      instanceOf(Scheduler),
      z.custom<CustomScheduler>(isCustomScheduler, 'expected a scheduler'),
      z.record(z.string(), z.unknown()),
    ])
    .optional(),
  control: z.union([control, z.array(control).min(1)]).optional(),
  guessMode: z.boolean().default(false),
  output: z.enum(['image', 'pixels', 'latents']).default('image'),
  slicing: z.boolean().default(false),
  tiling: z.union([z.boolean(), z.number().int().positive()]).default(false),
  preview: instanceOf(Autoencoder).optional(),
  onStep: z.custom<(event: StepEvent) => unknown>(isFunction, 'expected a function').optional(),
  onProgress: z.custom<(progress: Progress) => void>(isFunction, 'expected a function').optional(),
  signal: z.instanceof(AbortSignal).optional(),
};

/** @internal */
export const generateOptions = z.strictObject({
  ...diffusionOptions,
  width: z.number().int().positive().optional(),
  height: z.number().int().positive().optional(),
  latents: tensor.optional(),
  startStep: z.number().int().nonnegative().optional(),
});

const everyRun = z.strictObject(diffusionOptions);

/** @internal What every kind of run has in common, checked and with its defaults. */
export type ParsedDiffusionOptions = z.output<typeof everyRun>;

/** @internal */
export type ParsedGenerateOptions = z.output<typeof generateOptions>;

/** @internal A parsed {@link ControlOptions}. */
export type ParsedControl = z.output<typeof control>;

const defaultSteps = 50;

/** @internal The run's timesteps as they were asked for, and their number before `strength`. */
export function stepsOf(options: ParsedDiffusionOptions): { choice: Steps; count: number } {
  const { steps, timesteps, sigmas } = options;
  const given = Object.entries({ steps, timesteps, sigmas }).filter(([, value]) => value);
  if (given.length > 1) {
    const names = given.map(([name]) => name).join(' and ');
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `steps: expected one of steps, timesteps and sigmas, received ${names}`,
    );
  }
  if (timesteps) return { choice: { timesteps }, count: timesteps.length };
  if (sigmas) return { choice: { sigmas }, count: sigmas.length - 1 };
  return { choice: steps ?? defaultSteps, count: steps ?? defaultSteps };
}

/** @internal An instance of a class of any copy of this module. */
export function instanceOf<T>(Class: { prototype: T; name: string }) {
  const matches = (value: unknown) =>
    Object.prototype.isPrototypeOf.call(Class.prototype as object, value as object);
  return z.custom<T>(matches, `expected a ${Class.name}`);
}

/** @internal */
export function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}
