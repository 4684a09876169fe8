import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LatentrayError } from '../../errors.js';
import { makeFolder } from '../../models/save-model.js';
import { writeFileAtomically } from '../../training/atomic-files.js';
import { classicalCopies } from './classical-augmentation.js';
import type { ClassifierTrainer, LabelledImage, TrainedClassifier } from './classifier-trainer.js';
import { type EvaluationData, partOf } from './evaluation-data.js';

/** The ways of training that are compared. */
export const trainingArms = [
  'real',
  'real+classical',
  'real+synthetic',
  'synthetic',
  'synthetic-then-real',
] as const;

/** One of the ways of training that are compared. */
export type TrainingArm = (typeof trainingArms)[number];

/** @internal One training. */
export interface Cell {
  readonly arm: TrainingArm;
  /** Real images; 0 for none. */
  readonly size: number;
  readonly seed: number;
}

/** @internal What a training gave: a score for each test image and label. */
export interface CellResult {
  readonly scores: readonly (readonly number[])[];
  readonly samples: number;
  readonly seconds: number;
}

/** @internal All trainings; the one without real images is the same for all sizes. */
export function cellsOf(sizes: readonly number[], seeds: number): Cell[] {
  const numbers = Array.from({ length: seeds }, (_, seed) => seed);
  return numbers.flatMap((seed) => [
    { arm: 'synthetic' as const, size: 0, seed },
    ...sizes.flatMap((size) =>
      trainingArms.filter((arm) => arm !== 'synthetic').map((arm) => ({ arm, size, seed })),
    ),
  ]);
}

/** @internal */
export function cellName({ arm, size, seed }: Cell): string {
  return `${arm}-${size}-${seed}`;
}

/** @internal Trains and asks, or takes what an earlier start has found. */
export async function runCell(
  cell: Cell,
  data: EvaluationData,
  trainer: ClassifierTrainer,
  out: string,
  signal: AbortSignal | undefined,
): Promise<CellResult> {
  const folder = join(out, 'cells', cellName(cell));
  const path = join(folder, 'result.json');
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([cell, data.digest, data.labels, trainer.digest]))
    .digest('hex');
  const known = await readResult(path, fingerprint);
  if (known) return known;
  await makeFolder(folder);
  const startedAt = performance.now();
  const phases = await phasesOf(cell, data, join(out, 'classical'), signal);
  const scores = await trainAndAsk(phases, cell, data, trainer, folder, signal);
  const result = {
    scores,
    samples: phases.reduce((sum, phase) => sum + phase.length, 0),
    seconds: (performance.now() - startedAt) / 1000,
  };
  await writeFileAtomically(path, `${JSON.stringify({ fingerprint, ...result })}\n`);
  return result;
}

async function readResult(path: string, fingerprint: string): Promise<CellResult | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  const found = text === undefined ? undefined : JSON.parse(text);
  return found?.fingerprint === fingerprint ? found : undefined;
}

/** What is learned from, one after the other. */
async function phasesOf(
  { arm, size, seed }: Cell,
  { training, synthetic }: EvaluationData,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<(readonly LabelledImage[])[]> {
  const real = partOf(training, size, seed);
  switch (arm) {
    case 'real':
      return [real];
    case 'real+classical':
      return [[...real, ...(await classicalCopies(real, synthetic.length, folder, signal))]];
    case 'real+synthetic':
      return [[...real, ...synthetic]];
    case 'synthetic':
      return [synthetic];
    case 'synthetic-then-real':
      return [synthetic, real];
  }
}

async function trainAndAsk(
  phases: readonly (readonly LabelledImage[])[],
  { seed }: Cell,
  { labels, test }: EvaluationData,
  trainer: ClassifierTrainer,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<number[][]> {
  const trained: TrainedClassifier[] = [];
  try {
    for (const [index, samples] of phases.entries()) {
      signal?.throwIfAborted();
      const own = join(folder, `phase-${index + 1}`);
      const share = 1 / phases.length;
      const from = trained.at(-1);
      trained.push(
        await trainer.train({ samples, labels, seed, from, share, folder: own, signal }),
      );
    }
    const scores = (await trained.at(-1)?.predict(test, { signal })) ?? [];
    return checkScores(
      scores.map((row) => Array.from(row)),
      test.length,
      labels.length,
    );
  } finally {
    for (const each of new Set(trained)) each.dispose?.();
  }
}

function checkScores(scores: number[][], images: number, labels: number): number[][] {
  const fits = scores.length === images && scores.every((row) => row.length === labels);
  if (fits && scores.flat().every(Number.isFinite)) return scores;
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `trainer: expected ${labels} finite scores for each of ${images} test images from predict()`,
    { argument: 'trainer' },
  );
}
