import { z } from 'zod';
import { type Labels, type Pooling, TextEncoder } from '../../index.js';
import { iterable, type StudyOptions, studyOptions } from '../options.js';

/** A text encoder that is studied. */
export interface StudiedEncoder {
  readonly name: string;
  /** The encoder, or its folder. */
  readonly encoder: TextEncoder | string;
  /** @default 'eot' for CLIP, 'mean' for others */
  readonly pooling?: Exclude<Pooling, 'none'> | undefined;
  /** Whether its weights are random. @default whether it was created and not loaded */
  readonly randomWeights?: boolean | undefined;
}

/** A text, what it says, and whose it is. Records of a data set are such texts. */
export interface StudiedText {
  readonly text: string;
  readonly labels: Labels;
  /** Texts of one patient are never both learned from and asked of. */
  readonly patient: string;
}

/** What {@link textEncoders} is told. */
export interface TextEncoderStudyOptions extends StudyOptions {
  readonly encoders: readonly StudiedEncoder[];
  /** Report impressions, for instance `Dataset.openI(folder).reports({ section: 'impression' })`. @default none */
  readonly reports?: AsyncIterable<StudiedText> | Iterable<StudiedText> | undefined;
  /** Most reports. @default 2000 */
  readonly limit?: number | undefined;
  /** What a label counts as where a report has it not. @default 'negative' */
  readonly unmentioned?: 'negative' | 'unknown' | undefined;
  /** A label needs so many positives, and so many negatives, to be studied. @default 10 */
  readonly leastPositives?: number | undefined;
  /** Parts of the patients, each asked of by probes that learned from the others. @default 5 */
  readonly folds?: number | undefined;
  /** Penalty of the linear probe: scikit-learn's 1 / C. @default 1 */
  readonly l2?: number | undefined;
  readonly device?: string | undefined;
}

/** @internal */
export const textEncoderStudyOptions = z.strictObject({
  ...studyOptions,
  // The classes are looked up when options are checked: index.ts, which has them, loads this file too.
  encoders: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        encoder: z.custom<TextEncoder | string>(
          (value) => typeof value === 'string' || value instanceof TextEncoder,
          'expected a TextEncoder or its folder',
        ),
        pooling: z.enum(['cls', 'mean', 'eot', 'pooler', 'projection']).optional(),
        randomWeights: z.boolean().optional(),
      }),
    )
    .min(1)
    .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, {
      message: 'expected no two of one name',
    }),
  reports: iterable<StudiedText>().optional(),
  limit: z.int().positive().default(2000),
  unmentioned: z.enum(['negative', 'unknown']).default('negative'),
  leastPositives: z.int().positive().default(10),
  folds: z.int().min(2).default(5),
  l2: z.number().positive().default(1),
  device: z.string().optional(),
});

/** @internal */
export const studiedText = z.looseObject({
  text: z.string(),
  labels: z.record(z.string(), z.union([z.literal(1), z.literal(0), z.literal(-1)])),
  patient: z.string(),
});
