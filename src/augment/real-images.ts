import { createHash } from 'node:crypto';
import { Dataset } from '../data/dataset.js';
import type { DatasetRecord } from '../data/record.js';
import { invalidArgument } from '../errors.js';
import { type Fit, fitImage } from '../image/fit-images.js';
import type { Image } from '../image/image.js';
import { classify, type ImageClassifier } from './image-classifier.js';
import { pixelVector, vectorSide } from './pixel-vector.js';

/** @internal What is kept of a real image while new ones are made. */
export interface RealRecord
  extends Pick<
    DatasetRecord,
    'id' | 'patient' | 'image' | 'text' | 'labels' | 'view' | 'sex' | 'age'
  > {}

/** @internal Real images, and where they were asked for their vectors, row by row. */
export interface RealImages {
  readonly records: readonly RealRecord[];
  readonly vectors: readonly Float32Array[] | undefined;
  /** What a classifier gives of them. */
  readonly features: readonly Float32Array[] | undefined;
}

interface ReadOptions {
  /** How images come to the vectors' square; undefined where pixels are not needed. */
  readonly fit: Exclude<Fit, 'none'> | undefined;
  readonly classifier: ImageClassifier | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onRead: (count: number) => void;
}

/**
 * @internal Reads the images that the model may have been trained on. Images of other splits are left alone: what
 * follows from them may not go into training.
 */
export async function readRealImages(
  dataset: unknown,
  { fit, classifier, signal, onRead }: ReadOptions,
): Promise<RealImages> {
  if (dataset === undefined) return { records: [], vectors: undefined, features: undefined };
  const training = openDataset(dataset).filter(isTraining);
  const records: RealRecord[] = [];
  if (!fit) {
    for await (const record of training) {
      signal?.throwIfAborted();
      records.push(keep(record));
    }
    return { records, vectors: undefined, features: undefined };
  }
  const vectors: Float32Array[] = [];
  const features = classifier && new FeatureReader(classifier, signal);
  // A classifier looks at the whole image.
  const size = classifier ? undefined : vectorSide;
  for await (const { record, image } of training.images({ size, fit, signal })) {
    records.push(keep(record));
    vectors.push(await vectorOf(image, fit, signal));
    await features?.add(image);
    onRead(records.length);
  }
  return { records, vectors, features: await features?.end() };
}

/** Images at a time that a classifier looks at. */
const classifiedAtOnce = 16;

/** The features of real images, where the classifier has any. */
class FeatureReader {
  readonly #classifier: ImageClassifier;
  readonly #signal: AbortSignal | undefined;
  readonly #features: (Float32Array | undefined)[] = [];
  #images: Image[] = [];

  constructor(classifier: ImageClassifier, signal: AbortSignal | undefined) {
    this.#classifier = classifier;
    this.#signal = signal;
  }

  async add(image: Image): Promise<void> {
    this.#images.push(image);
    if (this.#images.length === classifiedAtOnce) await this.#classify();
  }

  async end(): Promise<readonly Float32Array[] | undefined> {
    await this.#classify();
    const known = this.#features.filter((each) => each !== undefined);
    return known.length === this.#features.length ? known : undefined;
  }

  async #classify(): Promise<void> {
    if (this.#images.length === 0) return;
    const found = await classify(this.#classifier, this.#images, this.#signal);
    this.#features.push(...found.map(({ features }) => features));
    this.#images = [];
  }
}

/** @internal A data set, or the folder of one. */
export function openDataset(dataset: unknown): Dataset {
  if (dataset instanceof Dataset) return dataset;
  if (typeof dataset === 'string' && dataset !== '') return Dataset.folder(dataset);
  throw invalidArgument('dataset', 'a Dataset, or the path of a folder', dataset);
}

/** @internal */
export function isTraining({ split }: { readonly split?: string }): boolean {
  return split === undefined || split === 'train';
}

function keep({ id, patient, image, text, labels, view, sex, age }: DatasetRecord): RealRecord {
  return { id, patient, image, text, labels, view, sex, age };
}

/** @internal What identifies the records that a run's images follow from. */
export function recordsDigest(records: readonly RealRecord[]): string | undefined {
  if (records.length === 0) return undefined;
  const digest = createHash('sha256');
  for (const { id, text, labels, view, sex, age } of records) {
    digest.update(`${JSON.stringify([id, text, labels, view, sex, age])}\n`);
  }
  return digest.digest('hex');
}

/** @internal The vector of an image that was made, which has the model's size. */
export async function vectorOf(
  image: Image,
  fit: Exclude<Fit, 'none'>,
  signal?: AbortSignal,
): Promise<Float32Array> {
  return pixelVector(await fitImage(image, { width: vectorSide, height: vectorSide, fit, signal }));
}
