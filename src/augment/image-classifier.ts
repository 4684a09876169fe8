import { z } from 'zod';
import { LatentrayError } from '../errors.js';
import type { Image } from '../image/image.js';
import type { JobOptions } from '../native/addon.js';

/** What a classifier says of one image. */
export interface Classification {
  /** One for each of the classifier's labels, 0 … 1. */
  readonly probabilities: ArrayLike<number>;
  /** The image as a vector of the classifier's, for likeness; of one length for all images. */
  readonly features?: Float32Array | undefined;
}

/** What says whether an image shows what it was asked to: a `Classifier`, or anything else. */
export interface ImageClassifier {
  readonly labels: readonly string[];
  /** What identifies it, such as a digest of its weights: a set follows from it. */
  readonly digest: string | (() => Promise<string>);
  /** One result for each image, in order; images are of any size. */
  classify(images: readonly Image[], options: JobOptions): Promise<readonly Classification[]>;
}

/** @internal */
export const imageClassifier = z.custom<ImageClassifier>((value) => {
  const given = value as Partial<ImageClassifier> | null;
  return (
    typeof given?.classify === 'function' &&
    ['string', 'function'].includes(typeof given.digest) &&
    Array.isArray(given.labels)
  );
}, 'expected a classifier: labels, digest, classify(images)');

/** @internal What identifies a classifier. */
export async function digestOf(classifier: ImageClassifier): Promise<string> {
  return typeof classifier.digest === 'string' ? classifier.digest : classifier.digest();
}

/** @internal What a classifier says, checked: it may be of another's making. */
export async function classify(
  classifier: ImageClassifier,
  images: readonly Image[],
  signal: AbortSignal | undefined,
): Promise<readonly Classification[]> {
  const found = await classifier.classify(images, { signal });
  signal?.throwIfAborted();
  if (found?.length !== images.length) {
    throw wrong(`one result for each of ${images.length} images`, `${found?.length}`);
  }
  for (const { probabilities } of found) {
    const values = Array.from(probabilities);
    if (values.length !== classifier.labels.length) {
      throw wrong(`${classifier.labels.length} probabilities`, `${values.length}`);
    }
    if (!values.every((value) => value >= 0 && value <= 1)) {
      throw wrong('probabilities from 0 to 1', values.join(', '));
    }
  }
  return found;
}

function wrong(expected: string, found: string): LatentrayError {
  return new LatentrayError('ERR_INVALID_ARG', `classifier: expected ${expected}, found ${found}`, {
    argument: 'classifier',
  });
}
