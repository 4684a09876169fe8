import { invalidArgument } from '../../errors.js';
import { parseOptions } from '../../parse-options.js';
import { environmentFacts, makeOutput, writeStudy } from '../output.js';
import { type CellResult, cellName, cellsOf, runCell } from './cells.js';
import { type AugmentEvaluationOptions, evaluationOptions } from './evaluate-options.js';
import { type EvaluationData, readEvaluationData } from './evaluation-data.js';
import { evaluationReport } from './evaluation-report.js';
import { type AugmentationEvaluation, resultsOf } from './evaluation-results.js';
import { networkTrainer } from './network-trainer.js';

/**
 * Measures whether synthetic images help a classifier of real ones: trains it on real images alone, with classical
 * copies, with synthetic images, on synthetic images alone, and on synthetic then real ones, at several numbers of real
 * images and with several seeds, and asks it about real test images of other patients. Trainings that are done are kept
 * in `out`, so a run that was stopped goes on. Writes results.json and report.html.
 *
 * @throws `ERR_INVALID_ARG`, also for patients in train and test, or images of several sources; `ERR_DATASET`,
 * `ERR_WRITE`; the signal's reason; whatever the trainer throws.
 */
export async function evaluateAugmentation(
  options: AugmentEvaluationOptions,
): Promise<AugmentationEvaluation> {
  const given = parseOptions(evaluationOptions, options, 'evaluateAugmentation');
  const { out, trainer = networkTrainer(), seeds, draws, signal, onProgress } = given;
  const data = await readEvaluationData(given);
  const sizes = sizesOf(given.sizes, data);
  await makeOutput(out);
  const cells = new Map<string, CellResult>();
  const all = cellsOf(sizes, seeds);
  const startedAt = performance.now();
  for (const [done, cell] of all.entries()) {
    signal?.throwIfAborted();
    const each = (performance.now() - startedAt) / 1000 / done;
    const secondsLeft = done > 0 ? each * (all.length - done) : Number.NaN;
    onProgress?.({ done, total: all.length, cell: cellName(cell), secondsLeft });
    cells.set(cellName(cell), await runCell(cell, data, trainer, out, signal));
  }
  onProgress?.({ done: all.length, total: all.length, cell: '', secondsLeft: 0 });
  const results = await resultsOf({ data, cells, sizes, seeds, draws, signal });
  const configuration = {
    ...{ sizes, seeds, draws, labels: data.labels, source: given.source },
    ...{ unmentioned: given.unmentioned, trainer: trainer.digest, data: data.digest },
    ...environmentFacts(),
  };
  const evaluation = { ...results, configuration };
  const files = await writeStudy(out, evaluation, evaluationReport(evaluation));
  return { ...evaluation, files };
}

function sizesOf(given: readonly number[] | undefined, { training }: EvaluationData): number[] {
  const sizes = [...new Set(given ?? [training.length])].sort((a, b) => a - b);
  const most = sizes.at(-1) as number;
  if (most <= training.length) return sizes;
  throw invalidArgument('sizes', `at most ${training.length}, which there are`, most);
}
