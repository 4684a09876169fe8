import { z } from 'zod';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { TensorHandle } from '../native/addon-types.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { Tensor } from '../tensor.js';
import { type RowLabels, type RowScores, withRows } from './labelled-scores.js';

/** How probabilities are put together. */
export interface CalibrationOptions extends JobOptions {
  /** Of one width. @default 10 */
  readonly bins?: number | undefined;
}

/** Probabilities of one bin, and what became of them. */
export interface CalibrationBin {
  readonly count: number;
  /** Their mean; NaN in an empty bin. */
  readonly probability: number;
  /** The share of positives; NaN in an empty bin. */
  readonly frequency: number;
}

/** Whether probabilities mean what they say. */
export interface Calibration {
  /** The mean squared difference of probability and label. NaN where no label is known. */
  readonly brier: number;
  /** The mean difference of probability and frequency, bin by bin. */
  readonly expectedError: number;
  /** From 0 to 1: a reliability diagram. */
  readonly bins: readonly CalibrationBin[];
}

const calibrationOptions = z.strictObject({
  ...jobOptions.shape,
  bins: z.int().positive().max(10_000).default(10),
});

/**
 * Brier score, expected calibration error and reliability diagram of probabilities.
 *
 * @param labels rows that are neither 1 nor 0 are left out.
 * @param probabilities 0 to 1.
 * @throws `ERR_SHAPE`, `ERR_NON_FINITE`; `ERR_INVALID_ARG` for scores that are no probabilities.
 */
export async function calibration(
  labels: RowLabels,
  probabilities: RowScores,
  options: CalibrationOptions = {},
): Promise<Calibration> {
  const { bins, signal } = parseOptions(calibrationOptions, options, 'calibration');
  const found = await withRows(labels, { probabilities }, (known, [scores]) =>
    runJob(signal, (token) => addon().calibration(known, scores as TensorHandle, bins, token)),
  );
  using counts = new Tensor(found.counts);
  using means = new Tensor(found.probabilities);
  using frequencies = new Tensor(found.frequencies);
  const { brier, expectedError } = found;
  return { brier, expectedError, bins: binsOf(counts, means, frequencies) };
}

function binsOf(counts: Tensor, means: Tensor, frequencies: Tensor): CalibrationBin[] {
  const [probability, frequency] = [means.data(), frequencies.data()];
  return Array.from(counts.data(), Number).map((count, i) => ({
    count,
    probability: Number(probability[i]),
    frequency: Number(frequency[i]),
  }));
}
