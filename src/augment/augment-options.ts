import { z } from 'zod';
import type { Dataset } from '../data/dataset.js';
import type { JobOptions } from '../native/addon.js';
import { checkedLater } from '../parse-options.js';
import { diffusionOptions } from '../pipeline/generate-options.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import type { AugmentCallbacks } from './augment-events.js';
import { type ImageClassifier, imageClassifier } from './image-classifier.js';
import { type Shard, shardOption } from './shard.js';

/**
 * How many images: of each label, of every label, or so many that each label has as many as the one that the data
 * set has most of.
 */
export type AugmentPlan = 'balance' | number | Readonly<Record<string, number>>;

/**
 * What the images are asked for by: the texts of real records of the label (`'reports'`), or templates, of all labels or
 * of each, in which `{label}` is the label's name in lower case, and `{view}`, `{sex}` and `{age}` are those of a real
 * record of the label.
 */
export type AugmentPrompts =
  | 'reports'
  | readonly string[]
  | Readonly<Record<string, readonly string[]>>;

const count = z.int().min(0);
const template = z.string().trim().min(1);

/** @internal How images are generated. */
const generation = z.strictObject({
  steps: diffusionOptions.steps,
  guidanceScale: diffusionOptions.guidanceScale,
  guidanceRescale: diffusionOptions.guidanceRescale,
  negativePrompt: z.string().default(''),
  scheduler: z
    .union([z.string(), z.record(z.string(), z.unknown())])
    .optional()
    .describe('a name, or a config'),
  longPrompt: diffusionOptions.longPrompt,
  clipSkip: diffusionOptions.clipSkip,
  width: z.int().positive().optional(),
  height: z.int().positive().optional(),
});

const gate = z.strictObject({
  tooNear: z.union([z.literal(false), z.number().min(0).max(1)]).default(0.01),
  maxSimilarity: z.number().min(-1).max(1).optional(),
  fit: z.enum(['letterbox', 'centre-crop', 'stretch']).default('letterbox'),
  classifier: imageClassifier.optional(),
  minProbability: z.number().min(0).max(1).default(0.5),
});

/** @internal What a run's images follow from, beside the model and the data. */
export const augmentConfig = z.strictObject({
  plan: z.union(
    [z.literal('balance'), z.int().min(1), z.record(z.string().min(1), count)],
    "expected 'balance', a number of images for every label, or one for each label by name",
  ),
  labels: z.array(z.string().min(1)).min(1).optional(),
  prompts: z
    .union([
      z.literal('reports'),
      z.array(template).min(1),
      z.record(z.string(), z.array(template).min(1)),
    ])
    .optional(),
  seed: z.int().min(0).default(0),
  generation: generation.prefault({}),
  gate: gate.prefault({}),
  maxAttempts: z.int().min(1).max(100).default(4),
  batchSize: z.int().min(1).default(4),
});

const callback = z
  .custom<unknown>((value) => typeof value === 'function', 'expected a function')
  .optional();

/** @internal {@link AugmentOptions} as they come in: the objects are checked where they are used. */
export const augmentOptions = z.strictObject({
  ...augmentConfig.shape,
  pipeline: checkedLater(),
  dataset: checkedLater(),
  out: z.string().min(1),
  shard: shardOption.optional(),
  signal: z.instanceof(AbortSignal).optional(),
  onProgress: callback,
  onWarning: callback,
});

/** How images are generated; names and defaults are those of `pipeline.generate`. */
export type AugmentGeneration = z.input<typeof generation>;

/** What an image has to pass. */
export interface QualityGateOptions {
  /**
   * An image is rejected that is nearer to a real one, or to another image of its prompt, than all but this share of
   * the real images are to the nearest one of another patient. `false` looks at neither. @default 0.01
   */
  readonly tooNear?: number | false;
  /** The similarity itself from which on it is too near (−1 … 1), in place of what `tooNear` measures. */
  readonly maxSimilarity?: number;
  /** How real images came to the model's square, so that a copy lies where its original does. @default 'letterbox' */
  readonly fit?: 'letterbox' | 'centre-crop' | 'stretch';
  /**
   * Has to see what an image is asked to show: a `Classifier`, or another object that classifies. Where it gives features, likeness to real images is measured in them
   * too. It must not have seen the images that a later classifier is tested on.
   */
  readonly classifier?: ImageClassifier;
  /** The probability from which on a label counts as seen. @default 0.5 */
  readonly minProbability?: number;
}

/** What {@link augment} takes. */
export interface AugmentOptions extends JobOptions, AugmentCallbacks {
  /** The model, or its folder. */
  readonly pipeline: Pipeline | string;
  /**
   * The real images: a data set, or a folder with metadata.jsonl. Only what is in no split, or in `train`, is looked at.
   * Needed for the plan `'balance'`, for reports, for `{view}`, `{sex}` and `{age}`, and to know copies.
   */
  readonly dataset?: Dataset | string;
  readonly plan: AugmentPlan;
  /** The folder that the images and metadata.jsonl go to. */
  readonly out: string;
  /** Which labels, where the plan does not name them. @default all of the data set that are positive somewhere */
  readonly labels?: readonly string[];
  /** @default `['Chest X-ray with {label}.']`, and without findings for "No Finding" */
  readonly prompts?: AugmentPrompts;
  /** All other seeds follow from it. @default 0 */
  readonly seed?: number;
  readonly generation?: AugmentGeneration;
  readonly gate?: QualityGateOptions;
  /** How often an image is tried before it is given up. @default 4 */
  readonly maxAttempts?: number;
  /** Images at a time. @default 4 */
  readonly batchSize?: number;
  /** Which part of the work is this process's. @default what RANK and WORLD_SIZE say, or all */
  readonly shard?: Shard;
}

/** @internal */
export type ParsedAugmentConfig = z.output<typeof augmentConfig>;
