import { createHash } from 'node:crypto';
import { isTraining, openDataset } from '../../augment/real-images.js';
import { Dataset } from '../../data/dataset.js';
import { type DatasetRecord, hashFraction } from '../../data/record.js';
import { invalidArgument, LatentrayError } from '../../errors.js';
import { labelValue, type Unmentioned, usableLabels } from '../labels.js';
import type { LabelledImage } from './classifier-trainer.js';
import type { ParsedEvaluationOptions } from './evaluate-options.js';

/** @internal A real image, with whose it is. */
export interface RealImage extends LabelledImage {
  readonly patient: string;
}

/** @internal What classifiers learn from and what they are asked. */
export interface EvaluationData {
  readonly labels: readonly string[];
  readonly training: readonly RealImage[];
  readonly test: readonly RealImage[];
  readonly synthetic: readonly LabelledImage[];
  /** What identifies all of it. */
  readonly digest: string;
}

/** @internal */
export async function readEvaluationData(
  options: ParsedEvaluationOptions,
): Promise<EvaluationData> {
  const { signal, unmentioned } = options;
  const records = ofOneSource(await readAll(options.dataset, signal), options.source);
  const training = records.filter((record) => isTraining(record));
  const test = records.filter(({ split }) => split === 'test');
  if (training.length === 0 || test.length === 0) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `dataset: expected images to train on and of split 'test', found ${training.length} and ${test.length}. Name a split for each record`,
    );
  }
  checkApart(training, test);
  const made = await readAll(options.synthetic, signal);
  if (made.length === 0) throw invalidArgument('synthetic', 'a set with images', 'an empty one');
  const labels = options.labels ?? usableLabels(test, unmentioned, options.leastPositives).sort();
  if (labels.length === 0) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `labels: expected one with ${options.leastPositives} positives and negatives in the test split, found none. Name labels, or a smaller leastPositives`,
    );
  }
  const real = (record: DatasetRecord) => ({
    ...labelled(record, labels, unmentioned, false),
    patient: record.patient,
  });
  const data = {
    labels,
    training: training.map(real),
    test: test.map(real),
    synthetic: made.map((record) => labelled(record, labels, 'unknown', true)),
  };
  return { ...data, digest: digestOf(data) };
}

/** @internal The first `size` of the real images in an order that is the seed's: a larger part holds the smaller. */
export function partOf(training: readonly RealImage[], size: number, seed: number): RealImage[] {
  return training
    .map((image) => ({ image, rank: hashFraction('evaluate', seed, image.id) }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, size)
    .map(({ image }) => image);
}

async function readAll(given: unknown, signal: AbortSignal | undefined): Promise<DatasetRecord[]> {
  const dataset =
    typeof given === 'string' && given !== ''
      ? Dataset.folder(given, { columns: ['source'] })
      : openDataset(given);
  const records: DatasetRecord[] = [];
  for await (const record of dataset) {
    signal?.throwIfAborted();
    records.push(record);
  }
  return records;
}

/** Across sources a classifier learns to tell the sources, which the labels go with. */
function ofOneSource(
  records: readonly DatasetRecord[],
  source: string | undefined,
): readonly DatasetRecord[] {
  const sourceOf = (record: DatasetRecord) => record.columns?.source;
  if (source !== undefined) return records.filter((record) => sourceOf(record) === source);
  const found = new Set(records.map(sourceOf).filter((name) => name !== undefined));
  if (found.size < 2) return records;
  throw invalidArgument('source', `one of ${[...found].sort().join(', ')}`, undefined);
}

function checkApart(training: readonly DatasetRecord[], test: readonly DatasetRecord[]): void {
  const known = new Set(training.map(({ patient }) => patient));
  const both = test.filter(({ patient }) => known.has(patient)).length;
  if (both === 0) return;
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `dataset: expected no patient in train and test, found ${both} test images of patients to train on. Split by patient (Dataset.split)`,
  );
}

function labelled(
  { id, image, labels }: DatasetRecord,
  names: readonly string[],
  unmentioned: Unmentioned,
  synthetic: boolean,
): LabelledImage {
  const values = names.map((name) => [name, labelValue(labels, name, unmentioned)]);
  return { id, image, labels: Object.fromEntries(values), synthetic };
}

function digestOf(data: Omit<EvaluationData, 'digest'>): string {
  const rows = [data.training, data.test, data.synthetic].map((images) =>
    images.map(({ id, labels }) => [id, labels]),
  );
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex');
}
