import { z } from 'zod';
import type { DatasetRecord } from '../data/record.js';
import { classifierConfig } from '../models/classifier.js';
import type { JobOptions } from '../native/addon.js';
import { checkedLater } from '../parse-options.js';
import type { ClassifierReport } from './classifier-report.js';
import type { TrainingSample } from './data/training-sample.js';

const amount = z.number().min(0);
const positive = z.int().min(1);

/** What a training of a classifier can be told in a file. */
export const classifierTrainConfig = z.strictObject({
  labels: z
    .array(z.string().min(1))
    .optional()
    .describe('what is learned; default: every label with positives and negatives'),
  absentIsNegative: z
    .boolean()
    .default(false)
    .describe(
      'a label that a record does not mention is negative: for data that lists all there is',
    ),
  network: classifierConfig
    .omit({ labels: true })
    .prefault({})
    .describe('image_size, num_channels, embedding_size, hidden_sizes, depths'),
  validation: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.15)
    .describe(
      'share of the training patients that is held out where the data has no validation split',
    ),
  epochs: positive.default(30).describe('at most'),
  patience: positive
    .default(6)
    .describe('epochs without a better validation AUROC that end training'),
  batchSize: positive.default(32),
  learningRate: amount.default(1e-3),
  weightDecay: amount.default(0.01),
  posWeightLimit: z
    .number()
    .min(1)
    .default(10)
    .describe('positives weigh what the negatives do, but so much each at most'),
  augmentation: z
    .strictObject({
      rotation: amount.max(180).default(10).describe('degrees, either way'),
      translation: amount.max(1).default(0.05).describe('share of the side, either way'),
      zoom: amount.lt(1).default(0.1).describe('share of the size, either way'),
    })
    .prefault({})
    .describe('how far images are turned, moved and zoomed; nothing is mirrored'),
  precision: z.enum(['float32', 'bfloat16', 'float16']).default('float32'),
  dataloaderNumWorkers: positive.default(3),
  seed: z.int().min(0).default(0),
});

/** @internal */
export type ClassifierTrainConfig = z.output<typeof classifierTrainConfig>;

/** @internal {@link TrainClassifierOptions} as they come in. */
export const trainClassifierOptions = z.strictObject({
  ...classifierTrainConfig.shape,
  dataset: checkedLater(),
  output: z.string().min(1),
  device: z.string().min(1).optional(),
  onEpoch: z.custom<unknown>((value) => typeof value === 'function').optional(),
  signal: z.instanceof(AbortSignal).optional(),
});

/** What {@link trainClassifier} takes. */
export interface TrainClassifierOptions extends z.input<typeof classifierTrainConfig>, JobOptions {
  /** A `Dataset`, or records of your own: image, labels, patient, split. */
  readonly dataset: Iterable<ClassifierRecord> | AsyncIterable<ClassifierRecord>;
  /** The run's folder, which must not hold a run. */
  readonly output: string;
  /** @default LATENTRAY_DEVICE, or 'cpu' */
  readonly device?: string | undefined;
  readonly onEpoch?: ((epoch: ClassifierEpoch) => void) | undefined;
}

/** One image to learn from. */
export interface ClassifierRecord
  extends Pick<DatasetRecord, 'id' | 'labels' | 'patient' | 'split'> {
  readonly image: TrainingSample['image'];
}

/** How an epoch ended. */
export interface ClassifierEpoch {
  /** From 0. */
  readonly epoch: number;
  /** The mean over the epoch's steps. */
  readonly loss: number;
  /** The mean over labels, on the validation records. */
  readonly auroc: number;
  /** Whether it is the best so far, and what the run ends with. */
  readonly isBest: boolean;
}

/** What a training ends with. */
export interface TrainClassifierResult {
  /** The best epoch's classifier, for `Classifier.load`. */
  readonly result: string;
  readonly bestEpoch: number;
  readonly epochs: number;
  readonly labels: readonly string[];
  readonly validation: ClassifierReport;
  /** Of records whose split is 'test', where there are some: nothing was chosen by them. */
  readonly test: ClassifierReport | undefined;
}
