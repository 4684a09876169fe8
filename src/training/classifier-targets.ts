import { type DatasetRecord, hashFraction } from '../data/record.js';
import { invalidArgument, LatentrayError } from '../errors.js';

/** @internal What of a record a classifier learns from. */
export type LabelledRecord = Pick<DatasetRecord, 'id' | 'patient' | 'labels' | 'split'>;

/** @internal Records by what they are for. */
export interface ClassifierParts<Item extends LabelledRecord = LabelledRecord> {
  readonly train: readonly Item[];
  readonly validation: readonly Item[];
  readonly test: readonly Item[];
}

/** @internal How records without a validation split are divided. */
export interface PartOptions {
  /** The share of training patients that is held out where no record says `'validation'`. */
  readonly validation: number;
  readonly seed: number;
}

/**
 * @internal Records by their split; those without one are for training. Validation follows from a hash of the
 * patient where the data set has none. `ERR_DATASET` for a patient in two parts, or a part without records
 * that training cannot do without.
 */
export function classifierParts<Item extends LabelledRecord>(
  records: readonly Item[],
  options: PartOptions,
): ClassifierParts<Item> {
  const parts = { train: [] as Item[], validation: [] as Item[], test: [] as Item[] };
  for (const record of records) parts[partName(record)].push(record);
  if (parts.validation.length === 0) holdOut(parts, options);
  for (const name of ['train', 'validation'] as const) {
    if (parts[name].length > 0) continue;
    throw datasetError(`expected records for ${name}, found none. Add some, or change the split`);
  }
  requireSeparatePatients(parts);
  return parts;
}

function partName({ id, split = 'train' }: LabelledRecord): keyof ClassifierParts {
  if (split === 'train' || split === 'validation' || split === 'test') return split;
  throw datasetError(`${id}: split: expected 'train', 'validation' or 'test', found '${split}'`);
}

function holdOut<Item extends LabelledRecord>(
  parts: { train: Item[]; validation: Item[] },
  { validation, seed }: PartOptions,
): void {
  const kept: Item[] = [];
  for (const record of parts.train) {
    const isHeldOut = hashFraction('classifier validation', seed, record.patient) < validation;
    (isHeldOut ? parts.validation : kept).push(record);
  }
  parts.train = kept;
}

function requireSeparatePatients(parts: ClassifierParts): void {
  const partOf = new Map<string, string>();
  for (const [name, records] of Object.entries(parts)) {
    for (const { patient } of records as readonly LabelledRecord[]) {
      const other = partOf.get(patient);
      if (other !== undefined && other !== name) {
        throw datasetError(
          `patient ${patient} is in ${other} and in ${name}: expected each patient in one part. ` +
            'Dataset.split() divides by patient',
        );
      }
      partOf.set(patient, name);
    }
  }
}

/**
 * @internal The records with every label of any of them, absent ones as negatives. For data sets that list what
 * is there, and are known to list all of it: a list in a folder's metadata has positives alone.
 */
export function absentAsNegative<Item extends LabelledRecord>(
  records: readonly Item[],
): readonly Item[] {
  const names = new Set(records.flatMap(({ labels }) => Object.keys(labels)));
  const negatives = Object.fromEntries([...names].sort().map((name) => [name, 0 as const]));
  return records.map((record) => ({ ...record, labels: { ...negatives, ...record.labels } }));
}

/**
 * @internal Checks the labels that were asked for, or finds those that can be learned: with positives and
 * negatives, sorted by name. `ERR_DATASET`, `ERR_INVALID_ARG`.
 */
export function learnableLabels(
  records: readonly LabelledRecord[],
  asked?: readonly string[],
): readonly string[] {
  if (asked && new Set(asked).size !== asked.length) {
    throw invalidArgument('labels', 'each label once', asked.join(', '));
  }
  const positive = new Set<string>();
  const negative = new Set<string>();
  for (const { labels } of records) {
    for (const [name, value] of Object.entries(labels)) {
      if (value === 1) positive.add(name);
      if (value === 0) negative.add(name);
    }
  }
  const learnable = [...positive].filter((name) => negative.has(name)).sort();
  const hopeless = asked?.filter((name) => !learnable.includes(name)) ?? [];
  if (hopeless.length > 0 || (asked ?? learnable).length === 0) {
    throw datasetError(
      `labels: expected positives and negatives of ${hopeless.join(', ') || 'a label'} among the ` +
        `${records.length} records to train on, found ${learnable.join(', ') || 'no label'} to have both. ` +
        'Where a label that is not mentioned is negative, say so',
    );
  }
  return asked ?? learnable;
}

/** @internal One row a record, [N, labels]: 1, 0, or NaN for what is uncertain or not known. */
export function labelRows(
  records: readonly LabelledRecord[],
  names: readonly string[],
): Float32Array {
  const rows = records.flatMap(({ labels }) =>
    names.map((name) => {
      const value = labels[name];
      return value === 1 || value === 0 ? value : Number.NaN;
    }),
  );
  return Float32Array.from(rows);
}

/**
 * @internal What each label's positives count for, so that they weigh what the negatives do: negatives for
 * each positive, `limit` at most, because few positives would make single images dominate.
 */
export function positiveWeights(rows: Float32Array, labels: number, limit: number): number[] {
  const counts = Array.from({ length: labels }, () => ({ positives: 0, negatives: 0 }));
  rows.forEach((value, i) => {
    const count = counts[i % labels];
    if (count && value === 1) count.positives++;
    if (count && value === 0) count.negatives++;
  });
  return counts.map(({ positives, negatives }) =>
    positives > 0 && negatives > 0 ? Math.min(negatives / positives, limit) : 1,
  );
}

function datasetError(message: string): LatentrayError {
  return new LatentrayError('ERR_DATASET', message);
}
