import type { Labels } from '../data/record.js';
import type { Classification, ImageClassifier } from './image-classifier.js';

/** Whether a classifier sees in an image what it was asked to show. */
export interface AgreementCheck {
  /** The label that the classifier agrees with least. */
  readonly label: string;
  readonly probability: number;
  /** The probability from which on a label counts as seen. */
  readonly limit: number;
  readonly agrees: boolean;
}

/**
 * @internal Every label that the image is to show has to be seen. Where "No Finding" is no label of the classifier's, it
 * stands for seeing none of them. `null` where the classifier knows nothing of what was asked for.
 */
export function agreementOf(
  wanted: Labels,
  { labels }: ImageClassifier,
  { probabilities }: Classification,
  limit: number,
): AgreementCheck | null {
  const seen = labels.map((label, i) => ({ label, probability: probabilities[i] as number }));
  const asked = seen.filter(({ label }) => wanted[label] === 1);
  if (asked.length > 0) {
    const least = asked.reduce((a, b) => (b.probability < a.probability ? b : a));
    return { ...least, limit, agrees: least.probability >= limit };
  }
  if (wanted['No Finding'] !== 1 || seen.length === 0) return null;
  const most = seen.reduce((a, b) => (b.probability > a.probability ? b : a));
  return { ...most, limit, agrees: most.probability < limit };
}
