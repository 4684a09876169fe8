import { z } from 'zod';
import type { JobOptions } from '../native/addon.js';
import { Scheduler, type SchedulerConfig } from '../scheduler.js';
import { Tensor } from '../tensor.js';
import type { PromptEmbeddings } from './prompt-embeddings.js';

/** What {@link GenerateOptions.onStep} is told after each step. */
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
}

/** What {@link GenerateOptions.onProgress} is told. */
export interface Progress {
  readonly stage: 'encode' | 'denoise' | 'decode';
  readonly step: number;
  readonly steps: number;
  readonly elapsedMs: number;
}

/** How images are generated; the defaults are diffusers'. */
export interface GenerateOptions extends JobOptions {
  /** One text, or one for each image. Needed unless `promptEmbeddings` is given. */
  readonly prompt?: string | readonly string[];
  /** What to stay away from: one text for all, or one for each prompt. @default '' */
  readonly negativePrompt?: string | readonly string[];
  /** Denoising steps, 1 … 1000. @default 50 */
  readonly steps?: number;
  /** Classifier-free guidance; 1 and below runs the prompt alone. @default 7.5 */
  readonly guidanceScale?: number;
  /** 0 … 1: brings the guided prediction back to the prompt's contrast. @default 0 */
  readonly guidanceRescale?: number;
  /** DDIM's noise, 0 … 1. @default 0 */
  readonly eta?: number;
  /**
   * 0 … 2⁶⁴ − 1. One seed draws the whole batch, as one `torch.Generator` does; a list has one for each
   * image. @default a random seed for each image, returned in `seeds`
   */
  readonly seed?: number | bigint | readonly (number | bigint)[];
  /** Pixels, a multiple of the autoencoder's downscale (8). @default what the U-Net was trained for */
  readonly width?: number;
  /** Pixels, a multiple of the autoencoder's downscale (8). @default what the U-Net was trained for */
  readonly height?: number;
  /** @default 1 */
  readonly imagesPerPrompt?: number;
  /** Noise of unit variance to start from, [N, C, height / 8, width / 8], in place of the seeds'. */
  readonly latents?: Tensor;
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
  /** A sampler for this call: an object, a config, or a name that takes over the pipeline's config. */
  readonly scheduler?: string | SchedulerConfig | Scheduler;
  /** `'image'`: {@link Image}s; `'pixels'`: a tensor [N, 3, H, W] in [0, 1]; `'latents'`. @default 'image' */
  readonly output?: 'image' | 'pixels' | 'latents';
  /** Decode one image at a time, or in tiles of so many pixels (`true`: the model's own size). */
  readonly slicing?: boolean;
  readonly tiling?: boolean | number;
  /**
   * Called after each step; generation waits for what it returns, and rejects with what it throws.
   */
  readonly onStep?: (event: StepEvent) => unknown;
  /** Called as stages and steps go by. */
  readonly onProgress?: (progress: Progress) => void;
}

const texts = z.union([z.string(), z.array(z.string()).min(1)]);
const seed = z.union([z.number().int().nonnegative(), z.bigint().nonnegative()]);
const tensor = instanceOf(Tensor);
const embeddings = z.union([tensor, z.strictObject({ states: tensor, mask: tensor.nullable() })]);

/** @internal */
export const generateOptions = z.strictObject({
  prompt: texts.optional(),
  negativePrompt: texts.default(''),
  steps: z.number().int().min(1).max(1000).default(50),
  guidanceScale: z.number().min(0).max(1000).default(7.5),
  guidanceRescale: z.number().min(0).max(1).default(0),
  eta: z.number().min(0).max(1).default(0),
  seed: z.union([seed, z.array(seed).min(1)]).optional(),
  width: z.number().int().positive().optional(),
  height: z.number().int().positive().optional(),
  imagesPerPrompt: z.number().int().min(1).default(1),
  latents: tensor.optional(),
  promptEmbeddings: embeddings.optional(),
  negativePromptEmbeddings: embeddings.optional(),
  longPrompt: z.enum(['truncate', 'chunk']).default('truncate'),
  clipSkip: z.number().int().nonnegative().default(0),
  scheduler: z
    .union([z.string(), instanceOf(Scheduler), z.record(z.string(), z.unknown())])
    .optional(),
  output: z.enum(['image', 'pixels', 'latents']).default('image'),
  slicing: z.boolean().default(false),
  tiling: z.union([z.boolean(), z.number().int().positive()]).default(false),
  onStep: z.custom<(event: StepEvent) => unknown>(isFunction, 'expected a function').optional(),
  onProgress: z.custom<(progress: Progress) => void>(isFunction, 'expected a function').optional(),
  signal: z.instanceof(AbortSignal).optional(),
});

/** @internal */
export type ParsedGenerateOptions = z.output<typeof generateOptions>;

function instanceOf<T>(Class: { prototype: T; name: string }) {
  const matches = (value: unknown) =>
    Object.prototype.isPrototypeOf.call(Class.prototype as object, value as object);
  return z.custom<T>(matches, `expected a ${Class.name}`);
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}
