import { invalidArgument } from '../errors.js';
import {
  auroc,
  averagePrecision,
  type BootstrapOptions,
  type RankingEstimate,
} from '../metrics/ranking.js';
import type { JobOptions } from '../native/addon.js';

/** How well one label is told. */
export interface LabelReport {
  readonly label: string;
  readonly auroc: RankingEstimate;
  readonly averagePrecision: RankingEstimate;
}

/** What a classifier is worth on images that it has not seen. */
export interface ClassifierReport {
  readonly images: number;
  /** The mean over the labels that have positives and negatives; NaN where none has. */
  readonly meanAuroc: number;
  readonly labels: readonly LabelReport[];
}

/** How a report is made. */
export interface ClassifierReportOptions extends JobOptions {
  readonly bootstrap?: boolean | BootstrapOptions | undefined;
}

/**
 * @internal Measures scores against labels, both [N, labels] row by row; NaN is a label that is not known.
 * `ERR_INVALID_ARG` for other numbers of values.
 */
export async function classifierReport(
  names: readonly string[],
  labels: Float32Array,
  scores: Float32Array,
  options: ClassifierReportOptions = {},
): Promise<ClassifierReport> {
  const images = labels.length / names.length;
  if (names.length === 0 || !Number.isInteger(images) || scores.length !== labels.length) {
    throw invalidArgument(
      'scores',
      `one for each of ${labels.length} labels, in rows of ${names.length}`,
      scores.length,
    );
  }
  const reports: LabelReport[] = [];
  for (const [i, label] of names.entries()) {
    const of = (rows: Float32Array) => rows.filter((_, at) => at % names.length === i);
    const [known, given] = [of(labels), of(scores)];
    reports.push({
      label,
      auroc: await auroc(known, given, options),
      averagePrecision: await averagePrecision(known, given, options),
    });
  }
  return {
    images,
    meanAuroc: meanOfNumbers(reports.map((each) => each.auroc.value)),
    labels: reports,
  };
}

function meanOfNumbers(values: readonly number[]): number {
  const numbers = values.filter((value) => !Number.isNaN(value));
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}
