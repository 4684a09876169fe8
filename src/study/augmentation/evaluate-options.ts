import { z } from 'zod';
import type { Dataset } from '../../data/dataset.js';
import type { JobOptions } from '../../native/addon.js';
import { checkedLater } from '../../parse-options.js';
import type { ClassifierTrainer } from './classifier-trainer.js';

/** How far an evaluation is. */
export interface AugmentEvaluationProgress {
  /** Trainings that are done. */
  readonly done: number;
  readonly total: number;
  /** The next one, such as `real-100-0`: the way, the number of real images, the seed. */
  readonly cell: string;
  /** NaN until it can be said. */
  readonly secondsLeft: number;
}

/** What {@link evaluateAugmentation} takes. */
export interface AugmentEvaluationOptions extends JobOptions {
  /** The real images, a data set or a folder, with the splits `train` and `test`. */
  readonly dataset: Dataset | string;
  /** The set that {@link augment} made. */
  readonly synthetic: Dataset | string;
  /** Where trainings, results.json and report.html go. */
  readonly out: string;
  /** @default `networkTrainer()` */
  readonly trainer?: ClassifierTrainer | undefined;
  /** How many real images there are to train on, in turn. @default [all of them] */
  readonly sizes?: readonly number[];
  /** How often each training is done, each time with other real images, weights and order. @default 3 */
  readonly seeds?: number;
  /** @default those with at least `leastPositives` positives and negatives in the test split */
  readonly labels?: readonly string[];
  /** @default 10 */
  readonly leastPositives?: number;
  /** What a label is where a real record does not mention it. @default 'negative' */
  readonly unmentioned?: 'negative' | 'unknown';
  /** Where a folder holds several sources (column `source`): the one to stay in. */
  readonly source?: string;
  /** Draws of the test patients and of the seeds, for the intervals. @default 1000 */
  readonly draws?: number;
  readonly onProgress?: (progress: AugmentEvaluationProgress) => void;
}

const trainer = z.custom<ClassifierTrainer>((value) => {
  const given = value as Partial<ClassifierTrainer> | null;
  return typeof given?.train === 'function' && typeof given.digest === 'string';
}, 'expected a trainer: digest, train(request)');

/** @internal */
export const evaluationOptions = z.strictObject({
  dataset: checkedLater(),
  synthetic: checkedLater(),
  out: z.string().min(1),
  trainer: trainer.optional(),
  sizes: z.array(z.int().min(1)).min(1).optional(),
  seeds: z.int().min(1).max(100).default(3),
  labels: z.array(z.string().min(1)).min(1).optional(),
  leastPositives: z.int().min(1).default(10),
  unmentioned: z.enum(['negative', 'unknown']).default('negative'),
  source: z.string().min(1).optional(),
  draws: z.int().min(10).max(100_000).default(1000),
  signal: z.instanceof(AbortSignal).optional(),
  onProgress: z
    .custom<(progress: AugmentEvaluationProgress) => void>(
      (value) => typeof value === 'function',
      'expected a function',
    )
    .optional(),
});

/** @internal */
export type ParsedEvaluationOptions = z.output<typeof evaluationOptions>;
