import type { Command } from 'commander';
import { type Dataset, type Fit, study } from '../index.js';
import { collect, datasetHelp, named, openDataset } from './dataset-source.js';
import { integer, interruptSignal, positiveInteger } from './options.js';
import { classifierFlag, inceptionFlag, openInception } from './study-networks.js';
import { printStudy, StudyReport } from './study-report.js';

interface Flags {
  vae: string;
  random?: boolean;
  dataset: string[];
  images: number;
  size: number;
  fit: Exclude<Fit, 'none'>;
  classifier?: string;
  inception?: string;
  unmentioned: 'negative' | 'unknown';
  batch: number;
  examples: number;
  seed: number;
  device?: string;
  out: string;
  json?: boolean;
}

/** `latentray study autoencoder`. */
export function registerAutoencoderStudy(parent: Command): void {
  parent
    .command('autoencoder')
    .description('originals against reconstructions on frontal radiographs')
    .requiredOption('--vae <folder>', 'the autoencoder')
    .option('--random', 'its weights are random, and the report is to say so')
    .requiredOption('--dataset <name=source…>', `several times; ${datasetHelp}`, collect, [])
    .option('--images <n>', 'of each data set', positiveInteger, 1000)
    .option('--size <pixels>', 'of both sides', positiveInteger, 512)
    .option('--fit <how>', 'letterbox, centre-crop or stretch', 'letterbox')
    .option(...classifierFlag)
    .option(...inceptionFlag)
    .option(
      '--unmentioned <what>',
      'what a label is that a record does not name: negative or unknown',
      'negative',
    )
    .option('--batch <n>', 'images at a time', positiveInteger, 4)
    .option('--examples <n>', 'images that are shown of each kind', integer, 6)
    .option('--seed <n>', 'of the sample', integer, 0)
    .option('--device <name>', 'cpu, cuda or cuda:N')
    .option('-o, --out <folder>', 'where results.json and report.html go', 'outputs/autoencoder')
    .option('--json', 'print all figures')
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const { vae, random, dataset, batch, inception, out: output, json, ...options } = flags;
  const signal = interruptSignal();
  const report = new StudyReport();
  using networks = await openInception(inception, flags.device, signal);
  const result = await study
    .autoencoder({
      ...options,
      featureExtractors: networks.extractors,
      autoencoder: vae,
      ...(random && { randomWeights: true }),
      datasets: openDatasets(dataset),
      batchSize: batch,
      output,
      signal,
      onProgress: report.update,
    })
    .finally(() => report.end());
  printStudy(result, json);
}

function openDatasets(sources: readonly string[]): Record<string, Dataset> {
  const entries = sources.map(named).map(({ name, value }) => [name, openDataset(value)] as const);
  return Object.fromEntries(entries);
}
