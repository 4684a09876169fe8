import { z } from 'zod';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { TensorHandle } from '../native/addon-types.js';
import { toSeed } from '../noise-source.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { type RowLabels, type RowScores, withRows } from './labelled-scores.js';

/** How the uncertainty of a figure is estimated: by drawing rows again, with replacement. */
export interface BootstrapOptions {
  /** @default 1000 */
  readonly draws?: number | undefined;
  /** The share of draws inside the interval. @default 0.95 */
  readonly confidence?: number | undefined;
  /** Draws the rows. @default 0 */
  readonly seed?: number | bigint | undefined;
}

/** How scores are measured against labels. */
export interface RankingOptions extends JobOptions {
  /** `true` for the defaults. @default false: no interval */
  readonly bootstrap?: boolean | BootstrapOptions | undefined;
}

/** A figure, its interval where one was asked for, and what it is made of. */
export interface RankingEstimate {
  /** NaN where there are not both positives and negatives. */
  readonly value: number;
  /** The bounds of the interval. */
  readonly lower?: number;
  readonly upper?: number;
  readonly positives: number;
  readonly negatives: number;
}

const bootstrapOptions = z.strictObject({
  draws: z.int().positive().default(1000),
  confidence: z.number().gt(0).lt(1).default(0.95),
  seed: z.union([z.number(), z.bigint()]).default(0),
});

const rankingOptions = z.strictObject({
  ...jobOptions.shape,
  bootstrap: z.union([z.boolean(), bootstrapOptions]).default(false),
});

/**
 * The area under the ROC curve: how often a positive scores above a negative, ties counting half. Equal to
 * scikit-learn's `roc_auc_score`.
 *
 * @param labels rows that are neither 1 nor 0 are left out.
 * @param scores higher for positives; probabilities or anything else.
 * @throws `ERR_SHAPE` unless there is one score for each label; `ERR_NON_FINITE`; `ERR_INVALID_ARG`.
 */
export async function auroc(
  labels: RowLabels,
  scores: RowScores,
  options: RankingOptions = {},
): Promise<RankingEstimate> {
  return rank('auroc', labels, scores, null, parseOptions(rankingOptions, options, 'auroc'));
}

/**
 * The mean precision at each positive, from the highest score down. Equal to scikit-learn's
 * `average_precision_score`.
 *
 * @throws as {@link auroc}.
 */
export async function averagePrecision(
  labels: RowLabels,
  scores: RowScores,
  options: RankingOptions = {},
): Promise<RankingEstimate> {
  const parsed = parseOptions(rankingOptions, options, 'averagePrecision');
  return rank('averagePrecision', labels, scores, null, parsed);
}

/**
 * How much larger the area under the ROC curve of `scores` is than that of `otherScores` on the same rows.
 * Rows are drawn in pairs: what both find hard cancels.
 *
 * @throws as {@link auroc}.
 */
export async function aurocDifference(
  labels: RowLabels,
  scores: RowScores,
  otherScores: RowScores,
  options: RankingOptions = {},
): Promise<RankingEstimate> {
  const parsed = parseOptions(rankingOptions, options, 'aurocDifference');
  return rank('auroc', labels, scores, otherScores, parsed);
}

/** The same of {@link averagePrecision}. */
export async function averagePrecisionDifference(
  labels: RowLabels,
  scores: RowScores,
  otherScores: RowScores,
  options: RankingOptions = {},
): Promise<RankingEstimate> {
  const parsed = parseOptions(rankingOptions, options, 'averagePrecisionDifference');
  return rank('averagePrecision', labels, scores, otherScores, parsed);
}

async function rank(
  measure: 'auroc' | 'averagePrecision',
  labels: RowLabels,
  scores: RowScores,
  others: RowScores | null,
  { bootstrap, signal }: z.output<typeof rankingOptions>,
): Promise<RankingEstimate> {
  const draws = bootstrap === true ? bootstrapOptions.parse({}) : bootstrap || undefined;
  const request = {
    draws: draws?.draws ?? 0,
    confidence: draws?.confidence ?? 0.95,
    seed: toSeed(draws?.seed ?? 0),
  };
  const given: Record<string, RowScores> = { scores };
  if (others !== null) given.otherScores = others;
  const { lower, upper, ...figure } = await withRows(labels, given, (known, [first, second]) =>
    runJob(signal, (token) =>
      addon().ranking(measure, known, first as TensorHandle, second ?? null, request, token),
    ),
  );
  return draws ? { ...figure, lower, upper } : figure;
}
