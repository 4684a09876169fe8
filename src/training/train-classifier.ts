import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LatentrayError } from '../errors.js';
import { Classifier } from '../models/classifier.js';
import { makeFolder } from '../models/save-model.js';
import { packageVersion } from '../native/package-root.js';
import { parseOptions } from '../parse-options.js';
import { makeFolderAtomically, writeFileAtomically } from './atomic-files.js';
import { ClassifierData, KeptPixels } from './classifier-data.js';
import { EarlyStopping } from './classifier-progress.js';
import { type ClassifierReport, classifierReport } from './classifier-report.js';
import {
  type ClassifierRun,
  makeTrainer,
  probabilitiesOf,
  stepsOfEpoch,
  trainSteps,
} from './classifier-steps.js';
import { absentAsNegative, classifierParts, learnableLabels } from './classifier-targets.js';
import {
  type ClassifierEpoch,
  type ClassifierRecord,
  type ClassifierTrainConfig,
  classifierTrainConfig,
  type TrainClassifierOptions,
  type TrainClassifierResult,
  trainClassifierOptions,
} from './train-classifier-options.js';

/** What images are read with, and the network trained. */
interface Reading {
  readonly config: ClassifierTrainConfig;
  readonly kept: KeptPixels;
  readonly signal: AbortSignal | undefined;
}

type Run = ClassifierRun & Reading;

/**
 * Trains a small residual network to tell labels: binary cross-entropy for each, positives weighed against how
 * rare they are, stopped when the validation AUROC no longer rises. The best epoch's network is kept, and
 * measured on the test records.
 *
 * @throws `ERR_DATASET` for labels that cannot be learned, or a patient in two splits; `ERR_INVALID_ARG`,
 * `ERR_NON_FINITE`, `ERR_WRITE`; the signal's reason: the best epoch so far stays in the folder.
 */
export async function trainClassifier(
  options: TrainClassifierOptions,
): Promise<TrainClassifierResult> {
  const { signal, output, device } = parseOptions(
    trainClassifierOptions,
    options,
    'trainClassifier',
  );
  const config = configOf(options);
  await prepareFolder(output);
  const records = await recordsOf(options.dataset, config);
  const parts = classifierParts(records, config);
  const labels = learnableLabels(parts.train, config.labels);
  const reading = { config, kept: new KeptPixels(), signal };
  using train = await openPart(parts.train, labels, reading);
  using validation = await openPart(parts.validation, labels, reading);
  using classifier = await Classifier.create(
    { labels, ...config.network },
    { seed: config.seed, device, signal },
  );
  const run = { ...reading, classifier };
  const writeRun = (more: object) =>
    writeFileAtomically(
      join(output, 'run.json'),
      `${JSON.stringify({ version: packageVersion, options: config, labels, images: imagesOf(parts), data: train.digest, ...more }, undefined, 2)}\n`,
    );
  await writeRun({});
  const ended = await trainEpochs(run, train, validation, output, options.onEpoch);

  const result = join(output, 'result');
  using best = await Classifier.load(result, { device, signal });
  const measured = { ...run, classifier: best };
  const found = {
    result,
    ...ended,
    labels,
    validation: await measure(measured, validation, true),
    test: await measureTest(measured, parts.test, labels),
  };
  await writeRun({ ...found });
  return found;
}

function configOf(options: TrainClassifierOptions): ClassifierTrainConfig {
  const names = Object.keys(classifierTrainConfig.shape) as (keyof ClassifierTrainConfig)[];
  return classifierTrainConfig.parse(
    Object.fromEntries(names.map((name) => [name, options[name]])),
  );
}

function imagesOf(parts: ReturnType<typeof classifierParts>) {
  return Object.fromEntries(Object.entries(parts).map(([name, all]) => [name, all.length]));
}

async function prepareFolder(output: string): Promise<void> {
  await makeFolder(output);
  if (!(await readdir(output)).includes('run.json')) return;
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `output: ${output} holds a run already. Choose another folder`,
    { argument: 'output' },
  );
}

async function recordsOf(
  dataset: TrainClassifierOptions['dataset'],
  { absentIsNegative }: ClassifierTrainConfig,
): Promise<readonly ClassifierRecord[]> {
  const records: ClassifierRecord[] = [];
  for await (const record of dataset) records.push(record);
  return absentIsNegative ? absentAsNegative(records) : records;
}

function openPart(
  records: readonly ClassifierRecord[],
  labels: readonly string[],
  { config, kept, signal }: Reading,
): Promise<ClassifierData> {
  const { network, dataloaderNumWorkers: concurrency } = config;
  const size = network.image_size;
  return ClassifierData.open(records, labels, { size, concurrency, kept, signal });
}

async function trainEpochs(
  run: Run,
  train: ClassifierData,
  validation: ClassifierData,
  output: string,
  onEpoch: TrainClassifierOptions['onEpoch'],
): Promise<{ readonly bestEpoch: number; readonly epochs: number }> {
  const { classifier, config } = run;
  const stopping = new EarlyStopping(config.patience);
  const trainer = await makeTrainer(run, train);
  const lines: string[] = [];
  let epoch = 0;
  try {
    for (; epoch < config.epochs && !stopping.isOver; epoch++) {
      const count = stepsOfEpoch(run, train);
      const first = epoch * count;
      const learningRateAt = () => config.learningRate;
      const loss = await trainSteps(run, trainer, train, { first, count, learningRateAt });
      const { meanAuroc: auroc } = await measure(run, validation, false);
      const isBest = stopping.add(epoch, auroc);
      if (isBest) await makeFolderAtomically(join(output, 'result'), (to) => classifier.save(to));
      const facts: ClassifierEpoch = { epoch, loss, auroc, isBest };
      lines.push(JSON.stringify(facts));
      await writeFileAtomically(join(output, 'metrics.jsonl'), `${lines.join('\n')}\n`);
      onEpoch?.(facts);
    }
  } finally {
    trainer.dispose();
  }
  return { bestEpoch: stopping.best.epoch, epochs: epoch };
}

async function measureTest(
  run: Run,
  records: readonly ClassifierRecord[],
  labels: readonly string[],
): Promise<ClassifierReport | undefined> {
  if (records.length === 0) return undefined;
  using part = await openPart(records, labels, run);
  return await measure(run, part, true); // the part is closed after
}

async function measure(
  run: Run,
  data: ClassifierData,
  bootstrap: boolean,
): Promise<ClassifierReport> {
  const { classifier, signal } = run;
  return classifierReport(classifier.labels, data.labels, await probabilitiesOf(run, data), {
    bootstrap,
    ...(signal && { signal }),
  });
}
