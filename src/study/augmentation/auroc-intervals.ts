import { setImmediate as pause } from 'node:timers/promises';
import { quantile } from '../statistics.js';

/** A figure and its 95 % interval; NaN where it cannot be measured. */
export interface Interval {
  readonly value: number;
  readonly lower: number;
  readonly upper: number;
}

/** @internal What several classifiers say of the same images, for one label. */
export interface LabelScores {
  /** 1, 0, or anything else for what is not known. */
  readonly truth: readonly number[];
  /** By way of training and by seed: a score an image. */
  readonly arms: readonly (readonly (readonly number[])[])[];
}

/** @internal For one label, or the mean over labels, by way of training. */
export interface ArmFigures {
  readonly auroc: readonly Interval[];
  /** Less the first way's, drawn in pairs. */
  readonly gain: readonly Interval[];
}

/**
 * @internal AUROC with intervals, as means over the seeds. A draw takes patients with replacement (all images of
 * one go together) and seeds with replacement, the same for every way of training and every label: so what all find
 * hard cancels in the differences. Efron and Tibshirani, "An Introduction to the Bootstrap" (1993).
 */
export async function aurocIntervals(
  labels: readonly LabelScores[],
  patients: readonly string[],
  { draws, signal }: { readonly draws: number; readonly signal: AbortSignal | undefined },
): Promise<{ readonly byLabel: readonly ArmFigures[]; readonly mean: ArmFigures }> {
  const sorted = labels.map(({ truth, arms }) =>
    arms.map((seeds) => seeds.map((scores) => sortedRows(truth, scores))),
  );
  const seeds = labels[0]?.arms[0]?.length ?? 0;
  const everySeed = Array.from({ length: seeds }, (_, seed) => seed);
  const groups = numbered(patients);
  const figures = (weights: Float64Array, drawn: readonly number[]) =>
    sorted.map((arms) =>
      arms.map((rows) => meanOf(drawn.map((seed) => weightedAuroc(rows[seed] ?? [], weights)))),
    );
  const once = new Float64Array(patients.length).fill(1);
  const points = figures(once, everySeed);
  const random = xorshift(20_221_008);
  const drawnFigures: number[][][] = [];
  for (let draw = 0; draw < draws; ++draw) {
    if (draw % 16 === 0) await pause();
    signal?.throwIfAborted();
    const counts = new Float64Array(groups.count);
    for (let i = 0; i < groups.count; ++i) {
      const group = Math.floor(random() * groups.count);
      counts[group] = (counts[group] as number) + 1;
    }
    const weights = Float64Array.from(groups.of, (group) => counts[group] as number);
    const drawn = everySeed.map(() => Math.floor(random() * seeds));
    drawnFigures.push(figures(weights, drawn));
  }
  const byLabel = points.map((point, label) =>
    intervals(
      point,
      drawnFigures.map((figure) => figure[label] as number[]),
    ),
  );
  const overLabels = (figure: readonly (readonly number[])[]) =>
    (figure[0] ?? []).map((_, arm) => meanOf(figure.map((arms) => arms[arm] as number)));
  return { byLabel, mean: intervals(overLabels(points), drawnFigures.map(overLabels)) };
}

function intervals(point: readonly number[], draws: readonly (readonly number[])[]): ArmFigures {
  const interval = (of: (figures: readonly number[]) => number): Interval => {
    const known = draws.map(of).filter(Number.isFinite);
    return {
      value: of(point),
      lower: quantile(known, 0.025),
      upper: quantile(known, 0.975),
    };
  };
  return {
    auroc: point.map((_, arm) => interval((figures) => figures[arm] as number)),
    gain: point.map((_, arm) =>
      interval((figures) => (figures[arm] as number) - (figures[0] as number)),
    ),
  };
}

interface Row {
  readonly at: number;
  readonly score: number;
  readonly positive: boolean;
}

function sortedRows(truth: readonly number[], scores: readonly number[]): Row[] {
  return truth
    .map((label, at) => ({ at, score: scores[at] as number, positive: label === 1, label }))
    .filter(({ label }) => label === 0 || label === 1)
    .sort((a, b) => a.score - b.score);
}

/** How often a positive scores above a negative, ties counting half; NaN where one of them is missing. */
function weightedAuroc(rows: readonly Row[], weights: Float64Array): number {
  let [positives, negatives, area] = [0, 0, 0];
  for (let start = 0; start < rows.length; ) {
    let [positive, negative, end] = [0, 0, start];
    for (; end < rows.length && rows[end]?.score === rows[start]?.score; ++end) {
      const row = rows[end] as Row;
      const weight = weights[row.at] as number;
      if (row.positive) positive += weight;
      else negative += weight;
    }
    area += positive * (negatives + negative / 2);
    positives += positive;
    negatives += negative;
    start = end;
  }
  return area / (positives * negatives);
}

/** Of what is known. */
function meanOf(values: readonly number[]): number {
  const known = values.filter(Number.isFinite);
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

function numbered(names: readonly string[]): { readonly of: number[]; readonly count: number } {
  const numbers = new Map<string, number>();
  const of = names.map((name) => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  });
  return { of, count: numbers.size };
}

/** Marsaglia, "Xorshift RNGs" (2003): the same draws in every run. */
function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
