import { z } from 'zod';
import type { JobOptions } from '../../native/addon.js';
import { toSeed } from '../../noise-source.js';
import { jobOptions, parseOptions } from '../../parse-options.js';
import type { Fingerprint } from './data-digest.js';
import type { PlacementOptions, Resize } from './placement.js';

/** How images become training images. */
export interface TrainingDataOptions extends JobOptions {
  /** Pixels of both sides, or of each. */
  readonly resolution: number | { readonly width: number; readonly height: number };
  /** @default 'letterbox', which cuts nothing */
  readonly resize?: Resize;
  /**
   * Mirrors half of the samples. A mirrored chest has its heart on the right, which is a diagnosis, and texts
   * that say left are then wrong. @default false
   */
  readonly horizontalFlip?: boolean;
  /** Whether images are turned as their EXIF says, as viewers show them. @default 'apply' */
  readonly orientation?: 'apply' | 'ignore';
  /** Random crops and flips follow from it, the step and the sample's number; 0 … 2⁶⁴ − 1. @default 0 */
  readonly seed?: number | bigint;
  /** Images that are decoded at a time. libuv's pool has four threads, which files need too. @default 3 */
  readonly concurrency?: number;
  /** What the digest knows images by: `'content'` reads every file once. @default 'content' */
  readonly fingerprint?: Fingerprint;
}

const positive = z.int().min(1);
const dataOptions = z.strictObject({
  ...jobOptions.shape,
  resolution: z.union([positive, z.strictObject({ width: positive, height: positive })]),
  resize: z.enum(['letterbox', 'center-crop', 'random-crop']).default('letterbox'),
  horizontalFlip: z.boolean().default(false),
  orientation: z.enum(['apply', 'ignore']).default('apply'),
  seed: z.union([z.number(), z.bigint()]).default(0),
  concurrency: positive.default(3),
  fingerprint: z.enum(['content', 'stat']).default('content'),
});

/** {@link TrainingDataOptions} with everything filled in. */
export interface ParsedTrainingDataOptions extends PlacementOptions {
  readonly autoOrient: boolean;
  readonly concurrency: number;
  readonly fingerprint: Fingerprint;
  readonly signal: AbortSignal | undefined;
}

/** @throws LatentrayError `ERR_INVALID_ARG` */
export function parseDataOptions(options: TrainingDataOptions): ParsedTrainingDataOptions {
  const { resolution, orientation, seed, ...rest } = parseOptions(
    dataOptions,
    options,
    'openTrainingData',
  );
  return {
    ...rest,
    target: typeof resolution === 'number' ? { width: resolution, height: resolution } : resolution,
    autoOrient: orientation === 'apply',
    seed: toSeed(seed),
    signal: rest.signal,
  };
}

/** Whether an image differs from step to step. */
export function isRandom({ resize, horizontalFlip }: PlacementOptions): boolean {
  return resize === 'random-crop' || horizontalFlip;
}

/** Everything that pixels follow from besides the data, as one line. */
export function describePreprocessing(options: ParsedTrainingDataOptions): string {
  const { target, resize, autoOrient, horizontalFlip, seed } = options;
  return [
    `${target.width}x${target.height} ${resize} lanczos3`,
    `orientation=${autoOrient ? 'apply' : 'ignore'}`,
    ...(horizontalFlip ? ['horizontal-flip'] : []),
    ...(isRandom(options) ? [`seed=${seed}`] : []),
  ].join(' ');
}
