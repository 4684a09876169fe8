import type { StudyFiles } from '../output.js';
import { type ArmFigures, aurocIntervals, type Interval } from './auroc-intervals.js';
import { type CellResult, cellName, type TrainingArm, trainingArms } from './cells.js';
import type { EvaluationData } from './evaluation-data.js';
import { conclusionOf, sentenceOf, type Verdict, verdictOf } from './verdict.js';

/** One way of training at one number of real images. */
export interface EvaluationRow {
  /** Real images. */
  readonly size: number;
  readonly arm: TrainingArm;
  /** The mean over labels. */
  readonly auroc: Interval;
  /** Less that of real images alone. */
  readonly gain: Interval;
  readonly verdict: Verdict;
  /** The same against classical copies. */
  readonly gainOverClassical: Interval;
  readonly labels: Readonly<Record<string, { readonly auroc: Interval; readonly gain: Interval }>>;
}

/** What {@link evaluateAugmentation} answers with; results.json has the same. */
export interface AugmentationEvaluation {
  /** In a sentence, whether synthetic images helped. */
  readonly conclusion: string;
  /** A sentence for each number of real images and each way with synthetic ones. */
  readonly sentences: readonly string[];
  readonly rows: readonly EvaluationRow[];
  readonly counts: {
    readonly training: number;
    readonly test: number;
    readonly testPatients: number;
    readonly synthetic: number;
    readonly seeds: number;
    /** Of the test images, by label. */
    readonly positives: Readonly<Record<string, number>>;
  };
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly files: StudyFiles;
}

interface Given {
  readonly data: EvaluationData;
  readonly cells: ReadonlyMap<string, CellResult>;
  readonly sizes: readonly number[];
  readonly seeds: number;
  readonly draws: number;
  readonly signal: AbortSignal | undefined;
}

/** @internal */
export async function resultsOf(
  given: Given,
): Promise<Pick<AugmentationEvaluation, 'conclusion' | 'sentences' | 'rows' | 'counts'>> {
  const { data, sizes, seeds } = given;
  const rows: EvaluationRow[] = [];
  const sentences: string[] = [];
  for (const size of sizes) {
    const [overReal, overClassical] = [
      await figuresAt(size, trainingArms, given),
      await figuresAt(size, classicalFirst, given),
    ];
    const own = trainingArms.map((arm, at) =>
      rowOf(size, arm, at, data.labels, overReal, overClassical),
    );
    rows.push(...own);
    const [real] = own;
    for (const row of own) {
      if (row.arm === 'real' || !real) continue;
      sentences.push(sentenceOf(size, row.arm, row.auroc, real.auroc, row.gain));
    }
  }
  const judged = rows.map((row) => ({ ...row, overClassical: verdictOf(row.gainOverClassical) }));
  const { training, test, synthetic, labels } = data;
  const positives = labels.map((name) => [
    name,
    test.filter((image) => image.labels[name] === 1).length,
  ]);
  const counts = {
    training: training.length,
    test: test.length,
    testPatients: new Set(test.map(({ patient }) => patient)).size,
    synthetic: synthetic.length,
    seeds,
    positives: Object.fromEntries(positives),
  };
  return { conclusion: conclusionOf(judged), sentences, rows, counts };
}

/** Gains are over what comes first. */
const classicalFirst = [
  'real+classical',
  ...trainingArms.filter((arm) => arm !== 'real+classical'),
] as const;

type Figures = Awaited<ReturnType<typeof aurocIntervals>>;

function figuresAt(
  size: number,
  arms: readonly TrainingArm[],
  { data, cells, seeds, draws, signal }: Given,
): Promise<Figures> {
  const labels = data.labels.map((name, at) => ({
    truth: data.test.map(({ labels: known }) => known[name] ?? -1),
    arms: arms.map((arm) =>
      Array.from({ length: seeds }, (_, seed) => {
        const cell = cells.get(cellName({ arm, size: arm === 'synthetic' ? 0 : size, seed }));
        return (cell?.scores ?? []).map((row) => row[at] as number);
      }),
    ),
  }));
  const patients = data.test.map(({ patient }) => patient);
  return aurocIntervals(labels, patients, { draws, signal });
}

function rowOf(
  size: number,
  arm: TrainingArm,
  at: number,
  labels: readonly string[],
  overReal: Figures,
  overClassical: Figures,
): EvaluationRow {
  const pick = ({ auroc, gain }: ArmFigures) => ({
    auroc: auroc[at] as Interval,
    gain: gain[at] as Interval,
  });
  const mean = pick(overReal.mean);
  return {
    size,
    arm,
    ...mean,
    verdict: verdictOf(mean.gain),
    gainOverClassical: overClassical.mean.gain[classicalFirst.indexOf(arm)] as Interval,
    labels: Object.fromEntries(
      labels.map((name, label) => [name, pick(overReal.byLabel[label] as ArmFigures)]),
    ),
  };
}
