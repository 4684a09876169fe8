import { z } from 'zod';
import { LatentrayError } from '../errors.js';
import { type Calibration, calibration } from '../metrics/calibration.js';
import { Classifier } from '../models/classifier.js';
import type { JobOptions } from '../native/addon.js';
import { checkedLater, parseOptions } from '../parse-options.js';
import { ClassifierData, KeptPixels } from './classifier-data.js';
import { type ClassifierReport, classifierReport, type LabelReport } from './classifier-report.js';
import { probabilitiesOf } from './classifier-steps.js';
import type { ClassifierRecord } from './train-classifier-options.js';

const evaluateClassifierOptions = z.strictObject({
  classifier: z.custom<Classifier | string>(
    (value) => (typeof value === 'string' && value !== '') || value instanceof Classifier,
    'expected a Classifier or its folder',
  ),
  dataset: checkedLater(),
  split: z.string().min(1).optional(),
  absentIsNegative: z.boolean().default(false),
  draws: z.int().min(10).max(100_000).default(1000),
  seed: z.int().min(0).default(0),
  batchSize: z.int().min(1).default(32),
  dataloaderNumWorkers: z.int().min(1).default(3),
  device: z.string().min(1).optional(),
  signal: z.instanceof(AbortSignal).optional(),
});

/** What {@link evaluateClassifier} takes. */
export interface EvaluateClassifierOptions extends JobOptions {
  /** The classifier, or its folder. */
  readonly classifier: Classifier | string;
  /** A `Dataset`, or records of your own: image, labels, patient, split. */
  readonly dataset: Iterable<ClassifierRecord> | AsyncIterable<ClassifierRecord>;
  /** Which records, such as `'test'`. @default all */
  readonly split?: string | undefined;
  /** A label that a record does not mention is negative: for data that lists all there is. @default false */
  readonly absentIsNegative?: boolean | undefined;
  /** Of the images, for the 95 % intervals. @default 1000 */
  readonly draws?: number | undefined;
  /** Of the draws. @default 0 */
  readonly seed?: number | undefined;
  /** Images at a time. @default 32 */
  readonly batchSize?: number | undefined;
  /** Images that are decoded at a time. @default 3 */
  readonly dataloaderNumWorkers?: number | undefined;
  /** Where a folder is loaded to. @default LATENTRAY_DEVICE, or 'cpu' */
  readonly device?: string | undefined;
}

/** How well a classifier tells a label, and whether its probabilities mean what they say. */
export interface EvaluatedLabel extends LabelReport {
  readonly calibration: Calibration;
}

/** What {@link evaluateClassifier} finds. */
export interface ClassifierEvaluation extends ClassifierReport {
  readonly labels: readonly EvaluatedLabel[];
}

/**
 * Measures a classifier on images: AUROC and average precision of each label with bootstrap intervals, the numbers of
 * positives and negatives, and calibration. Records whose label is not known do not count for it.
 *
 * @throws `ERR_DATASET` where there are no such records; `ERR_INVALID_ARG`, what loading throws, the signal's reason.
 */
export async function evaluateClassifier(
  options: EvaluateClassifierOptions,
): Promise<ClassifierEvaluation> {
  const given = parseOptions(evaluateClassifierOptions, options, 'evaluateClassifier');
  const records = await recordsOf(options.dataset, given);
  const { classifier, device, signal } = given;
  if (typeof classifier !== 'string') return evaluate(classifier, records, given);
  using loaded = await Classifier.load(classifier, { device, signal });
  return await evaluate(loaded, records, given); // it is disposed of after
}

type Given = z.output<typeof evaluateClassifierOptions>;

async function recordsOf(
  dataset: EvaluateClassifierOptions['dataset'],
  { split }: Given,
): Promise<readonly ClassifierRecord[]> {
  const all: ClassifierRecord[] = [];
  for await (const record of dataset) all.push(record);
  const chosen = split === undefined ? all : all.filter((record) => record.split === split);
  if (chosen.length === 0) {
    const splits = [...new Set(all.map((record) => record.split ?? 'none'))].join(', ');
    throw new LatentrayError(
      'ERR_DATASET',
      `expected records${split === undefined ? '' : ` of split '${split}'`}, found ${all.length} of ${splits || 'no split'}`,
    );
  }
  return chosen;
}

async function evaluate(
  classifier: Classifier,
  records: readonly ClassifierRecord[],
  { draws, seed, signal, batchSize, dataloaderNumWorkers: concurrency, absentIsNegative }: Given,
): Promise<ClassifierEvaluation> {
  const { labels, imageSize: size } = classifier;
  using data = await ClassifierData.open(
    absentIsNegative ? withLabels(records, labels) : records,
    labels,
    { size, concurrency, signal, kept: new KeptPixels(0) },
  );
  const scores = await probabilitiesOf({ classifier, config: { batchSize }, signal }, data);
  const job = { ...(signal && { signal }) };
  const bootstrap = { draws, seed };
  const report = await classifierReport(labels, data.labels, scores, { bootstrap, ...job });
  const evaluated: EvaluatedLabel[] = [];
  for (const [i, each] of report.labels.entries()) {
    const column = (rows: Float32Array) => rows.filter((_, at) => at % labels.length === i);
    const found = await calibration(column(data.labels), column(scores), job);
    evaluated.push({ ...each, calibration: found });
  }
  return { ...report, labels: evaluated };
}

/** A label of the classifier's that no record mentions is absent from all of them. */
function withLabels(
  records: readonly ClassifierRecord[],
  names: readonly string[],
): readonly ClassifierRecord[] {
  const negatives = Object.fromEntries(names.map((name) => [name, 0 as const]));
  return records.map((record) => ({ ...record, labels: { ...negatives, ...record.labels } }));
}
