import type { Labels } from '../../data/record.js';
import type { Image } from '../../image/image.js';
import type { JobOptions } from '../../native/addon.js';

/** An image that a classifier learns from, or is asked about. */
export interface LabelledImage {
  readonly id: string;
  /** A path, or pixels. */
  readonly image: string | Image;
  /** Of the request's labels: 1, 0, or −1 for what is not known. */
  readonly labels: Labels;
  readonly synthetic: boolean;
}

/** What one training is. */
export interface ClassifierTraining extends JobOptions {
  readonly samples: readonly LabelledImage[];
  readonly labels: readonly string[];
  /** Of all that is drawn: first weights, order. */
  readonly seed: number;
  /** What to go on from; a new classifier where there is none. */
  readonly from: TrainedClassifier | undefined;
  /** The share of the usual steps, so that all ways of training cost the same. */
  readonly share: number;
  /** A folder of its own, the same when the training is started again: for checkpoints. */
  readonly folder: string;
}

/** What a training gives. */
export interface TrainedClassifier {
  /** For each image one score a label, higher where the label is likelier. */
  predict(
    images: readonly LabelledImage[],
    options: JobOptions,
  ): Promise<readonly ArrayLike<number>[]>;
  dispose?(): void;
}

/** How classifiers are trained: a network, or anything else that learns labels of images. */
export interface ClassifierTrainer {
  /** What identifies the way of training: results of another one are not taken over. */
  readonly digest: string;
  train(request: ClassifierTraining): Promise<TrainedClassifier>;
}
