import { legendFor } from '../report/plot.js';
import type { PlotSection, Report, TableSection } from '../report/report.js';
import type { AugmentationEvaluation, EvaluationRow } from './evaluation-results.js';
import { armNames } from './verdict.js';

type Evaluation = Omit<AugmentationEvaluation, 'files'>;

/** @internal The evaluation as a page; no image and no text of a patient is part of it. */
export function evaluationReport(evaluation: Evaluation): Report {
  const { conclusion, sentences, counts, configuration } = evaluation;
  return {
    title: 'Do synthetic images help a classifier?',
    summary: conclusion,
    notices: noticesOf(evaluation),
    sections: [
      { kind: 'prose', title: 'In words', paragraphs: [conclusion, ...sentences] },
      plot('Mean over labels', evaluation, ({ auroc }) => auroc),
      table('Mean over labels', evaluation.rows, counts),
      ...Object.keys(counts.positives).flatMap((label) => [
        plot(label, evaluation, ({ labels }) => labels[label]?.auroc),
      ]),
      labelTable(evaluation),
      {
        kind: 'prose',
        title: 'How it was measured',
        paragraphs: [
          'The same classifier was trained in each way, for as many steps: on real images alone; on these and turned, zoomed, moved, brighter or darker copies of them (nothing is mirrored), as many as there are synthetic images; on real and synthetic images; on synthetic images alone; and for half of the steps on synthetic images, then for the other half on real ones. Each was asked about the same real test images, of patients that nobody was trained on.',
          'Intervals hold 95 % of draws with replacement of test patients and of seeds. Differences are drawn in pairs. Where many ways, sizes and labels are compared, some differences leave their interval by chance alone.',
          'The generator may have been trained on more real images than a size counts here. Then synthetic images carry what it learned from the others, and a gain at small sizes is also theirs.',
        ],
      },
    ],
    configuration,
  };
}

function noticesOf({ counts }: Evaluation): string[] {
  const rare = Object.entries(counts.positives).filter(([, positives]) => positives < 30);
  const notices = [
    'Labels of synthetic images say what was asked for. Nobody has looked whether the images show it.',
  ];
  if (rare.length > 0) {
    const words = rare.map(([label, positives]) => `${label} (${positives})`).join(', ');
    notices.push(`Few positives in the test images, so wide intervals: ${words}.`);
  }
  if (counts.seeds < 3) {
    notices.push('Fewer than three seeds: the intervals hardly know what chance does in training.');
  }
  return notices;
}

function sizesOf({ test, testPatients, seeds }: Evaluation['counts']): string {
  return `${test} test images of ${testPatients} patients, ${seeds} seeds`;
}

const caveat =
  'An AUROC of 0.5 is a coin. It says how labels are ranked in images of this source, and nothing about another hospital.';

function table(
  title: string,
  rows: readonly EvaluationRow[],
  counts: Evaluation['counts'],
): TableSection {
  return {
    kind: 'table',
    title: `${title}, as a table`,
    columns: [
      { name: 'real images', digits: 0 },
      { name: 'trained on' },
      { name: 'AUROC' },
      { name: 'from' },
      { name: 'to' },
      { name: 'gain over real' },
      { name: 'from' },
      { name: 'to' },
      { name: 'verdict' },
    ],
    rows: rows.map(({ size, arm, auroc, gain, verdict }) => [
      ...[size, armNames[arm], auroc.value, auroc.lower, auroc.upper],
      ...(arm === 'real'
        ? [null, null, null, '']
        : [gain.value, gain.lower, gain.upper, verdict.replace('-', ' ')]),
    ]),
    n: sizesOf(counts),
    caveat,
  };
}

function labelTable({ rows, counts }: Evaluation): TableSection {
  return {
    kind: 'table',
    title: 'Every label',
    columns: [
      { name: 'label' },
      { name: 'positives', digits: 0 },
      { name: 'real images', digits: 0 },
      { name: 'trained on' },
      { name: 'AUROC' },
      { name: 'from' },
      { name: 'to' },
      { name: 'gain over real' },
      { name: 'from' },
      { name: 'to' },
    ],
    rows: rows.flatMap(({ size, arm, labels }) =>
      Object.entries(labels).map(([label, { auroc, gain }]) => [
        ...[label, counts.positives[label] ?? null, size, armNames[arm]],
        ...[auroc.value, auroc.lower, auroc.upper],
        ...(arm === 'real' ? [null, null, null] : [gain.value, gain.lower, gain.upper]),
      ]),
    ),
    n: sizesOf(counts),
    caveat,
  };
}

function plot(
  title: string,
  { rows, counts }: Evaluation,
  intervalOf: (row: EvaluationRow) => EvaluationRow['auroc'] | undefined,
): PlotSection {
  const values = rows.flatMap((row) => {
    const interval = intervalOf(row);
    return interval && Number.isFinite(interval.value)
      ? [{ size: row.size, arm: armNames[row.arm], ...interval }]
      : [];
  });
  return {
    kind: 'plot',
    title,
    description: `${title}: AUROC over the number of real images, a line for each way of training, with 95 % intervals.`,
    spec: (width) => specOf(values, width),
    n: sizesOf(counts),
    caveat,
  };
}

function specOf(values: readonly Record<string, unknown>[], width: number) {
  const arms = Object.values(armNames);
  const y = { type: 'quantitative', scale: { zero: false } };
  const offset = { field: 'arm', type: 'nominal', sort: arms };
  const x = { field: 'size', type: 'ordinal', title: 'real images', axis: { labelAngle: 0 } };
  const color = { field: 'arm', type: 'nominal', sort: arms, legend: legendFor(arms, width) };
  return {
    height: 300,
    data: { values },
    encoding: { x, xOffset: offset, color },
    layer: [
      {
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: { y: { ...y, field: 'lower', title: 'AUROC' }, y2: { field: 'upper' } },
      },
      {
        mark: { type: 'point', filled: true, size: 60 },
        encoding: { y: { ...y, field: 'value' } },
      },
    ],
  };
}
