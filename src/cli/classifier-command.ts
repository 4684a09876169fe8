import type { Command } from 'commander';
import {
  type ClassifierEpoch,
  type ClassifierReport,
  classifierTrainConfig,
  evaluateClassifier,
  type TrainClassifierOptions,
  trainClassifier,
} from '../index.js';
import { addConfigFlags, readConfig, requiredIn } from './config-flags.js';
import { datasetHelp, openDatasetOf } from './dataset-source.js';
import { interruptSignal, positiveInteger, printJson } from './options.js';

interface DataFlags {
  dataset?: string;
  source?: string;
  device?: string;
  json?: boolean;
}

interface TrainFlags
  extends DataFlags,
    Partial<Omit<TrainClassifierOptions, 'dataset' | 'device'>> {
  config?: string;
}

interface EvaluateFlags extends DataFlags {
  split?: string;
  absentIsNegative?: boolean;
  batch: number;
}

/** `latentray classifier`: networks that tell labels on radiographs. */
export function registerClassifierCommand(program: Command): void {
  const classifier = program
    .command('classifier')
    .description('train a small network to tell labels on radiographs, and measure it');
  const train = withData(
    classifier
      .command('train')
      .description(
        'train until the validation AUROC no longer rises: a file says how, flags override it; values with several parts are YAML',
      )
      .option('-c, --config <file>', 'YAML or JSON: dataset, source, output and the options below')
      .option('-o, --output <folder>', "the run's folder: reports, metrics, the result"),
  );
  addConfigFlags(train, classifierTrainConfig).action(runTraining);
  withData(
    classifier
      .command('evaluate')
      .description('AUROC, average precision and calibration of each label, with 95 % intervals')
      .argument('<folder>', 'the classifier: the "result" of a run')
      .option('--split <name>', 'which records, such as test (default: all)')
      .option('--absent-is-negative', 'a label that a record does not mention is negative')
      .option('--batch <n>', 'images at a time', positiveInteger, 32),
  ).action(runEvaluation);
}

function withData(command: Command): Command {
  return command
    .option('--dataset <source>', datasetHelp)
    .option('--source <name>', 'where images are of several sources: the one to stay in')
    .option('--device <name>', 'cpu, cuda or cuda:N')
    .option('--json', 'print one JSON object');
}

async function runTraining({ config, json, ...flags }: TrainFlags): Promise<void> {
  const signal = interruptSignal();
  const given = { ...(config !== undefined && (await readConfig(config))), ...flags } as TrainFlags;
  const { dataset, source, output, ...options } = given;
  const result = await trainClassifier({
    ...options,
    dataset: openDatasetOf(requiredIn('dataset', dataset), source),
    output: requiredIn('output', output),
    signal,
    onEpoch: reportEpoch,
  });
  if (json) return printJson(result);
  const { validation, test, bestEpoch } = result;
  const parts = [
    `best epoch: ${bestEpoch}`,
    `validation, ${describe(validation)}`,
    ...(test ? [`test, ${describe(test)}`] : []),
  ];
  process.stdout.write(`${parts.join('\n')}\n${result.result}\n`);
}

function reportEpoch({ epoch, loss, auroc, isBest }: ClassifierEpoch): void {
  const best = isBest ? ', the best so far' : '';
  process.stderr.write(
    `epoch ${epoch} loss ${loss.toFixed(4)}, AUROC ${auroc.toFixed(3)}${best}\n`,
  );
}

async function runEvaluation(
  classifier: string,
  { dataset, source, json, batch, ...flags }: EvaluateFlags,
): Promise<void> {
  const signal = interruptSignal();
  const found = await evaluateClassifier({
    ...flags,
    classifier,
    dataset: openDatasetOf(requiredIn('dataset', dataset), source),
    batchSize: batch,
    signal,
  });
  if (json) printJson(found);
  else process.stdout.write(`${describe(found)}\n`);
}

/** A line a label. */
function describe({ images, labels, meanAuroc }: ClassifierReport): string {
  const width = Math.max(...labels.map(({ label }) => label.length));
  const rows = labels.map(({ label, auroc, averagePrecision }) => {
    const interval = `(${figure(auroc.lower)} to ${figure(auroc.upper)})`;
    const counts = `${auroc.positives} with, ${auroc.negatives} without`;
    return `${label.padEnd(width)}  ${figure(auroc.value)} ${interval}  average precision ${figure(averagePrecision.value)}  ${counts}`;
  });
  return [`${images} images, mean AUROC ${figure(meanAuroc)}`, ...rows].join('\n');
}

function figure(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? '–' : value.toFixed(3);
}
