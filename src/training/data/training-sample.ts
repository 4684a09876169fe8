import { fileURLToPath } from 'node:url';
import { Image, type ImageSource } from '../../image/image.js';
import { datasetError, type SampleOrigin } from './dataset-error.js';

/** An image with its text, as `openTrainingData` takes it. Other fields are left alone. */
export interface TrainingSample {
  /** A path, a file: URL, the bytes of an image file, or an image in memory. */
  readonly image: ImageSource | Image;
  readonly text: string;
  /** Names the sample in messages and metrics. @default the image's path, or `#n` */
  readonly id?: string;
  /** How much the sample counts, from 0 on. @default 1 */
  readonly weight?: number;
  /** Of the image's own size: what is white counts in training, what is black does not. @default all counts */
  readonly mask?: ImageSource | Image;
}

/** A sample that was checked. A text is a path. */
export interface TrainingRecord {
  readonly id: string;
  readonly text: string;
  readonly weight: number;
  readonly image: Picture;
  readonly mask: Picture | undefined;
  readonly origin: SampleOrigin;
}

/** Where pixels come from: a path, the bytes of a file, or pixels in memory. */
export type Picture = string | Uint8Array | Image;

/** @throws LatentrayError `ERR_DATASET` for what is no sample. */
export function checkSample(value: unknown, index: number, origin: SampleOrigin): TrainingRecord {
  if (typeof value !== 'object' || value === null) {
    throw datasetError(origin, `expected { image, text }, found ${kindOf(value)}`);
  }
  const sample = value as Partial<Record<keyof TrainingSample, unknown>>;
  const image = checkPicture(sample.image, 'image', origin);
  const { text } = sample;
  if (typeof text !== 'string') {
    throw datasetError(origin, `text: expected a string, found ${kindOf(text)}`);
  }
  return {
    id: checkId(sample.id ?? (typeof image === 'string' ? image : `#${index}`), origin),
    text,
    weight: checkWeight(sample.weight ?? 1, origin),
    image,
    mask: sample.mask == null ? undefined : checkPicture(sample.mask, 'mask', origin),
    origin,
  };
}

function checkPicture(value: unknown, name: string, origin: SampleOrigin): Picture {
  if (value instanceof URL && value.protocol === 'file:') return fileURLToPath(value);
  if (value instanceof Uint8Array || value instanceof Image) return value;
  if (typeof value === 'string' && value !== '') return value;
  const expected = 'a path, a file: URL, the bytes of an image file or an Image';
  throw datasetError(origin, `${name}: expected ${expected}, found ${kindOf(value)}`);
}

function checkId(id: unknown, origin: SampleOrigin): string {
  if (typeof id === 'string' && id !== '') return id;
  throw datasetError(origin, `id: expected a string that is not empty, found ${kindOf(id)}`);
}

function checkWeight(weight: unknown, origin: SampleOrigin): number {
  if (typeof weight === 'number' && Number.isFinite(weight) && weight >= 0) return weight;
  throw datasetError(origin, `weight: expected a number from 0 on, found ${kindOf(weight)}`);
}

/** What a value is, in words. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return `'${value}'`;
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null)
    return `an ${value.constructor?.name ?? 'object'}`;
  return String(value);
}
