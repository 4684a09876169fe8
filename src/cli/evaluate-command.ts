import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import {
  type AugmentationEvaluation,
  type ClassifierTrainer,
  evaluateAugmentation,
  LatentrayError,
  networkTrainer,
} from '../index.js';
import { readConfig } from './config-flags.js';
import { interruptSignal, positiveInteger, printJson } from './options.js';
import { ProgressBar } from './progress-bar.js';

interface EvaluateFlags {
  dataset: string;
  synthetic: string;
  trainer?: string;
  config?: string;
  size: number[];
  seeds: number;
  label: string[];
  leastPositives: number;
  unmentioned: 'negative' | 'unknown';
  source?: string;
  out: string;
  json?: boolean;
}

/** `latentray augment evaluate`: whether a set helps. */
export function registerEvaluateCommand(augment: Command): void {
  augment
    .command('evaluate')
    .description(
      'measure whether a set helps: train a classifier on real images, real and classical copies, real and synthetic, synthetic, synthetic then real; goes on where it was stopped',
    )
    .requiredOption('--dataset <folder>', 'the real images, with the splits train and test')
    .requiredOption('--synthetic <folder>', 'the set')
    .option(
      '-c, --config <file>',
      'YAML or JSON: how the network is trained (steps, network, batchSize …)',
    )
    .option(
      '--trainer <module>',
      'a module whose default export trains classifiers, in place of the network',
    )
    .option('--size <n>', 'real images to train on (default: all); may be repeated', sizes, [])
    .option('--seeds <n>', 'how often each training is done', positiveInteger, 3)
    .option(
      '--label <name>',
      'a label to measure (default: all with enough); may be repeated',
      names,
      [],
    )
    .option('--least-positives <n>', 'in the test images, of a label', positiveInteger, 10)
    .option(
      '--unmentioned <what>',
      'what a label is that a record does not name: negative or unknown',
      'negative',
    )
    .option('--source <name>', 'where images are of several sources: the one to stay in')
    .requiredOption('-o, --out <folder>', 'where trainings and the report go')
    .option('--json', 'print one JSON object')
    .action(evaluate);
}

async function evaluate({
  json,
  size,
  label,
  trainer,
  config,
  ...flags
}: EvaluateFlags): Promise<void> {
  const signal = interruptSignal();
  const bar = new ProgressBar('training');
  try {
    const evaluation = await evaluateAugmentation({
      ...flags,
      trainer: await openTrainer(trainer, config),
      sizes: size.length > 0 ? size : undefined,
      labels: label.length > 0 ? label : undefined,
      signal,
      onProgress: ({ done, total, cell, secondsLeft }) => {
        const left = Number.isFinite(secondsLeft) ? `, ${Math.ceil(secondsLeft)} s left` : '';
        bar.update(done, total, `${cell}${left}`);
        if (!process.stderr.isTTY) process.stderr.write(`${done}/${total} ${cell}${left}\n`);
      },
    });
    bar.end();
    if (json) printJson(evaluation);
    else process.stdout.write(describe(evaluation));
  } finally {
    bar.end();
  }
}

async function openTrainer(
  module: string | undefined,
  config: string | undefined,
): Promise<ClassifierTrainer> {
  if (module !== undefined && config !== undefined) {
    throw new LatentrayError('ERR_INVALID_ARG', '--config: expected none beside --trainer');
  }
  if (module !== undefined) return loadTrainer(module);
  return networkTrainer(config === undefined ? {} : await readConfig(config));
}

async function loadTrainer(path: string): Promise<ClassifierTrainer> {
  try {
    const module = await import(pathToFileURL(resolve(path)).href);
    return module.default;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LatentrayError('ERR_INVALID_ARG', `--trainer: ${path} cannot be loaded (${reason})`, {
      cause,
    });
  }
}

function describe({ conclusion, rows, sentences, files }: AugmentationEvaluation): string {
  const figure = (value: number) => (Number.isFinite(value) ? value.toFixed(3) : '–');
  const table = rows.map(
    ({ size, arm, auroc, gain }) =>
      `${String(size).padStart(6)}  ${arm.padEnd(20)} ${figure(auroc.value).padStart(6)} (${figure(auroc.lower)} to ${figure(auroc.upper)})  gain ${figure(gain.value).padStart(6)} (${figure(gain.lower)} to ${figure(gain.upper)})`,
  );
  return `${[
    '  real  trained on            AUROC (95 %), mean over labels',
    ...table,
    '',
    ...sentences,
    '',
    conclusion,
    files.report,
  ].join('\n')}\n`;
}

function sizes(text: string, earlier: number[]): number[] {
  return [...earlier, positiveInteger(text)];
}

function names(text: string, earlier: string[]): string[] {
  return [...earlier, text];
}
