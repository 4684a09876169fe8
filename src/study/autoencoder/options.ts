import { z } from 'zod';
import { Autoencoder, Dataset, type Fit } from '../../index.js';
import { type MeasuringOptions, measuringOptions } from '../image-sets.js';
import { type StudyOptions, studyOptions } from '../options.js';

/** What {@link autoencoder} is told. */
export interface AutoencoderStudyOptions extends StudyOptions, MeasuringOptions {
  /** The autoencoder, or its folder. */
  readonly autoencoder: Autoencoder | string;
  /** Whether its weights are random. @default whether it was created and not loaded */
  readonly randomWeights?: boolean | undefined;
  /** Data sets by name. Of each, frontal radiographs are drawn. */
  readonly datasets: Readonly<Record<string, Dataset>>;
  /** How many of each. @default 1000 */
  readonly images?: number | undefined;
  /** Pixels of both sides: a multiple of the autoencoder's downscale. @default 512 */
  readonly size?: number | undefined;
  /** What becomes of proportions. @default 'letterbox' */
  readonly fit?: Exclude<Fit, 'none'> | undefined;
  /** Images at a time. @default 4 */
  readonly batchSize?: number | undefined;
  /** How many of the worst, and how many drawn at random, are shown of each data set. @default 6 */
  readonly examples?: number | undefined;
  /** What a label is where a record does not mention it. @default 'negative' */
  readonly unmentioned?: 'negative' | 'unknown' | undefined;
  readonly device?: string | undefined;
}

/** @internal */
export const autoencoderStudyOptions = z.strictObject({
  ...studyOptions,
  ...measuringOptions,
  // The classes are looked up when options are checked: index.ts, which has them, loads this file too.
  autoencoder: z.custom<Autoencoder | string>(
    (value) => typeof value === 'string' || value instanceof Autoencoder,
    'expected an Autoencoder or its folder',
  ),
  randomWeights: z.boolean().optional(),
  datasets: z
    .record(
      z.string().min(1),
      z.custom<Dataset>((value) => value instanceof Dataset, 'expected a Dataset'),
    )
    .refine((sets) => Object.keys(sets).length > 0, 'expected at least one data set'),
  images: z.int().min(2).default(1000),
  size: z.int().positive().default(512),
  fit: z.enum(['letterbox', 'centre-crop', 'stretch']).default('letterbox'),
  batchSize: z.int().positive().default(4),
  examples: z.int().nonnegative().default(6),
  unmentioned: z.enum(['negative', 'unknown']).default('negative'),
  device: z.string().optional(),
});

/** @internal */
export type CheckedAutoencoderStudy = z.output<typeof autoencoderStudyOptions>;
