import { metrics, Tensor } from '../../index.js';
import { foldsOf } from '../folds.js';
import { mean } from '../statistics.js';
import { type Embeddings, rowsOf } from './embeddings.js';
import type { Neighbour } from './neighbours.js';

/** Neighbours that vote. */
export const voters = 5;

/** How deep retrieval looks. */
export const retrieved = 10;

/** What of one label an embedding keeps. */
export interface ProbeResult {
  readonly label: string;
  readonly positives: number;
  readonly negatives: number;
  /** AUROC of logistic regression, over rows of groups that it had not seen. */
  readonly linear: number;
  /** AUROC of the vote of the five nearest texts of other groups. */
  readonly neighbours: number;
  /** Of the texts nearest to a positive one, the share that is positive too: the first, and the first ten. */
  readonly precisionAt1: number;
  readonly precisionAt10: number;
  /** What drawing at random would give. */
  readonly chance: number;
}

/** Texts as an encoder sees them, with what they say: 1, 0, or −1 for what is not known. */
export interface ProbedTexts {
  readonly embeddings: Embeddings;
  readonly neighbours: readonly (readonly Neighbour[])[];
  readonly groups: readonly string[];
  readonly labels: readonly string[];
  /** A row a text, a column a label. */
  readonly values: readonly (readonly number[])[];
}

/** How probes learn. */
export interface ProbeOptions {
  readonly folds: number;
  readonly l2: number;
  readonly seed: number;
  readonly signal: AbortSignal | undefined;
}

export async function probeLabels(
  texts: ProbedTexts,
  options: ProbeOptions,
): Promise<ProbeResult[]> {
  const scores = await linearScores(texts, options);
  const results = texts.labels.map(async (label, column) => {
    const truth = texts.values.map((row) => row[column] ?? -1);
    const positives = truth.filter((value) => value === 1).length;
    const negatives = truth.filter((value) => value === 0).length;
    const linear = scores.map((row) => row[column] ?? Number.NaN);
    const votes = texts.neighbours.map((near) => share(near, truth, voters));
    return {
      label,
      positives,
      negatives,
      linear: await areaOf(truth, linear, options.signal),
      neighbours: await areaOf(truth, votes, options.signal),
      precisionAt1: precision(texts, truth, 1),
      precisionAt10: precision(texts, truth, retrieved),
      chance: positives / (positives + negatives),
    };
  });
  return Promise.all(results);
}

/** The area under the ROC curve, of the texts that have a score. */
async function areaOf(
  truth: readonly number[],
  scores: readonly number[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const scored = scores.flatMap((score, row) => (Number.isNaN(score) ? [] : [row]));
  const of = (values: readonly number[]) => scored.map((row) => values[row] as number);
  const { value } = await metrics.auroc(of(truth), of(scores), { signal });
  return value;
}

/** Log odds for each text, by probes that learned from the texts of other folds. */
async function linearScores(
  { embeddings, groups, values, labels }: ProbedTexts,
  { folds: count, l2, seed, signal }: ProbeOptions,
): Promise<number[][]> {
  const scores = values.map((): number[] => []);
  const folds = foldsOf(groups, count, seed);
  for (const asked of folds) {
    const learned = folds.filter((fold) => fold !== asked).flat();
    using features = rowsOf(embeddings, learned);
    using queries = rowsOf(embeddings, asked);
    using truth = Tensor.from(Float32Array.from(learned.flatMap((row) => values[row] ?? [])), {
      shape: [learned.length, labels.length],
    });
    using answers = await metrics.linearProbe({ features, labels: truth, queries }, { l2, signal });
    const data = answers.data() as Float64Array;
    asked.forEach((row, index) => {
      scores[row] = [...data.subarray(index * labels.length, (index + 1) * labels.length)];
    });
  }
  return scores;
}

/** The share of positives among the nearest whose label is known; NaN where there is none. */
function share(near: readonly Neighbour[], truth: readonly number[], count: number): number {
  const values = near.map(({ row }) => truth[row] ?? -1).filter((value) => value >= 0);
  return mean(values.slice(0, count));
}

/** Over the positive texts. */
function precision({ neighbours }: ProbedTexts, truth: readonly number[], count: number): number {
  const shares = neighbours
    .filter((_, row) => truth[row] === 1)
    .map((near) => share(near, truth, count))
    .filter((value) => !Number.isNaN(value));
  return mean(shares);
}
