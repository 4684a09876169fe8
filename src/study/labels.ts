import type { Labels } from '../index.js';

/** What a label counts as where nobody mentions it. */
export type Unmentioned = 'negative' | 'unknown';

/** Labels of which there are enough positives and negatives, the most frequent first. */
export function usableLabels(
  rows: readonly { readonly labels: Labels }[],
  unmentioned: Unmentioned,
  least: number,
): string[] {
  const names = new Set(rows.flatMap(({ labels }) => Object.keys(labels)));
  return [...names]
    .map((name) => ({ name, ...countOf(rows, name, unmentioned) }))
    .filter(({ positives, negatives }) => positives >= least && negatives >= least)
    .sort((a, b) => b.positives - a.positives || a.name.localeCompare(b.name))
    .map(({ name }) => name);
}

/** 1, 0, or −1 for what is not known. */
export function labelValue(labels: Labels, name: string, unmentioned: Unmentioned): number {
  return labels[name] ?? (unmentioned === 'negative' ? 0 : -1);
}

function countOf(
  rows: readonly { readonly labels: Labels }[],
  name: string,
  unmentioned: Unmentioned,
) {
  const values = rows.map(({ labels }) => labelValue(labels, name, unmentioned));
  return {
    positives: values.filter((value) => value === 1).length,
    negatives: values.filter((value) => value === 0).length,
  };
}
