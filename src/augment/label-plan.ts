import { invalidArgument, LatentrayError } from '../errors.js';
import type { ParsedAugmentConfig } from './augment-options.js';
import type { RealRecord } from './real-images.js';

/** @internal How many images each label is to get, by the labels' names in order. */
export type LabelPlan = ReadonlyMap<string, number>;

/** @internal What `plan` and `labels` come to with these records. */
export function resolvePlan(
  { plan, labels }: Pick<ParsedAugmentConfig, 'plan' | 'labels'>,
  records: readonly RealRecord[],
): LabelPlan {
  const counts = positives(records);
  const resolved = typeof plan === 'object' ? given(plan, labels) : ofEach(plan, labels, counts);
  const wanted = [...resolved].filter(([, count]) => count > 0);
  if (wanted.length === 0) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      'plan: expected at least one image to make, found none: every label has as many as the largest. Name numbers instead',
    );
  }
  return new Map(wanted.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @internal How many records each label is positive in. */
export function positives(records: readonly RealRecord[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { labels } of records) {
    for (const [name, value] of Object.entries(labels)) {
      if (value === 1) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return counts;
}

function given(plan: Record<string, number>, labels: readonly string[] | undefined) {
  if (labels) throw invalidArgument('labels', 'none beside a plan that names labels', labels);
  return new Map(Object.entries(plan));
}

function ofEach(
  plan: 'balance' | number,
  labels: readonly string[] | undefined,
  counts: ReadonlyMap<string, number>,
): Map<string, number> {
  const names = labels ?? [...counts.keys()];
  if (names.length === 0) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      'plan: expected labels, found none; give a dataset whose records have labels, or a plan that names them',
    );
  }
  const largest = Math.max(...names.map((name) => counts.get(name) ?? 0));
  return new Map(
    names.map((name) => [name, plan === 'balance' ? largest - (counts.get(name) ?? 0) : plan]),
  );
}
