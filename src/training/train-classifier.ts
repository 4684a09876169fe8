import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { LatentrayError } from '../errors.js';
import { Classifier } from '../models/classifier.js';
import { makeFolder } from '../models/save-model.js';
import { addon, runJob } from '../native/addon.js';
import type { ClassifierTrainerHandle } from '../native/addon-types.js';
import { packageVersion } from '../native/package-root.js';
import { parseOptions } from '../parse-options.js';
import { handleOf, Tensor } from '../tensor.js';
import { makeFolderAtomically, writeFileAtomically } from './atomic-files.js';
import { EarlyStopping } from './classifier-progress.js';
import { type ClassifierReport, classifierReport } from './classifier-report.js';
import {
  absentAsNegative,
  classifierParts,
  labelRows,
  learnableLabels,
  positiveWeights,
} from './classifier-targets.js';
import { SampleOrder } from './data/sample-order.js';
import { openTrainingData, type TrainingData } from './data/training-data.js';
import {
  type ClassifierEpoch,
  type ClassifierRecord,
  classifierTrainConfig,
  type TrainClassifierOptions,
  type TrainClassifierResult,
  trainClassifierOptions,
} from './train-classifier-options.js';

type Config = z.output<typeof classifierTrainConfig>;

/** The records of one part, with their pixels and labels. */
interface Part {
  readonly data: TrainingData;
  /** [N, labels]; NaN where a label is not known. */
  readonly labels: Float32Array;
}

/** What epochs are made with. */
interface Run {
  readonly classifier: Classifier;
  readonly config: Config;
  readonly signal: AbortSignal | undefined;
}

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
  await using train = await openPart(parts.train, labels, config, signal);
  await using validation = await openPart(parts.validation, labels, config, signal);
  using classifier = await Classifier.create(
    { labels, ...config.network },
    { seed: config.seed, device, signal },
  );
  const run = { classifier, config, signal };
  const writeRun = (more: object) =>
    writeFileAtomically(
      join(output, 'run.json'),
      `${JSON.stringify({ version: packageVersion, options: config, labels, images: imagesOf(parts), data: train.data.digest, ...more }, undefined, 2)}\n`,
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

function configOf(options: TrainClassifierOptions): Config {
  const names = Object.keys(classifierTrainConfig.shape) as (keyof Config)[];
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
  { absentIsNegative }: Config,
): Promise<readonly ClassifierRecord[]> {
  const records: ClassifierRecord[] = [];
  for await (const record of dataset) records.push(record);
  return absentIsNegative ? absentAsNegative(records) : records;
}

async function openPart(
  records: readonly ClassifierRecord[],
  labels: readonly string[],
  { network, dataloaderNumWorkers }: Config,
  signal: AbortSignal | undefined,
): Promise<Part & AsyncDisposable> {
  const samples = records.map(({ id, image }) => ({ id, image, text: '' }));
  const data = await openTrainingData(samples, {
    resolution: network.image_size,
    resize: 'center-crop',
    concurrency: dataloaderNumWorkers,
    ...(signal && { signal }),
  });
  const close = async () => data.close();
  return { data, labels: labelRows(records, labels), [Symbol.asyncDispose]: close };
}

async function trainEpochs(
  run: Run,
  train: Part,
  validation: Part,
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
      const loss = await trainEpoch(run, trainer, train, epoch);
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

function makeTrainer({ classifier, config, signal }: Run, train: Part) {
  const { seed, precision, weightDecay, augmentation, posWeightLimit } = config;
  const options = {
    optimizer: {
      name: 'adamw' as const,
      betas: [0.9, 0.999] as [number, number],
      eps: 1e-8,
      weightDecay,
      momentum: 0,
    },
    maxGradNorm: null,
    ema: null,
    precision,
    processGroup: null,
    posWeight: positiveWeights(train.labels, classifier.labels.length, posWeightLimit),
    augmentation,
    seed: BigInt(seed),
  };
  return runJob(signal, (token) =>
    addon().createClassifierTrainer(classifier.handle, options, token),
  );
}

/** Each image once, in an order that follows from the seed; a rest that fills no batch waits for the next epoch. */
async function trainEpoch(
  { config, signal, classifier }: Run,
  trainer: ClassifierTrainerHandle,
  { data, labels }: Part,
  epoch: number,
): Promise<number> {
  const { batchSize, seed, learningRate } = config;
  const width = classifier.labels.length;
  const order = new SampleOrder(seed, data.length);
  const size = Math.min(batchSize, data.length);
  const steps = Math.floor(data.length / size);
  const requests = Array.from({ length: steps }, (_, n) => {
    const sampleNumbers = Array.from(
      { length: size },
      (_, i) => epoch * data.length + n * size + i,
    );
    return {
      step: epoch * steps + n,
      sampleNumbers,
      indices: sampleNumbers.map((number) => order.indexOf(number)),
    };
  });
  let sum = 0;
  for await (using batch of data.prefetch(requests, { ...(signal && { signal }) })) {
    const { step, sampleNumbers, indices } = batch;
    using rows = Tensor.from(
      Float32Array.from(indices.flatMap((i) => [...labels.subarray(i * width, (i + 1) * width)])),
      { shape: [indices.length, width] },
    );
    const handles = { pixels: handleOf(batch.pixels), labels: handleOf(rows), sampleNumbers };
    const { loss } = await runJob(signal, (token) =>
      trainer.accumulate(handles, { step, microSteps: 1 }, token),
    );
    await runJob(signal, (token) => trainer.update(learningRate, token));
    sum += loss;
  }
  return sum / steps;
}

async function measureTest(
  run: Run,
  records: readonly ClassifierRecord[],
  labels: readonly string[],
): Promise<ClassifierReport | undefined> {
  if (records.length === 0) return undefined;
  await using part = await openPart(records, labels, run.config, run.signal);
  return await measure(run, part, true); // the part is closed after
}

async function measure(
  { classifier, config, signal }: Run,
  { data, labels }: Part,
  bootstrap: boolean,
): Promise<ClassifierReport> {
  const scores: number[] = [];
  const job = { ...(signal && { signal }) };
  const count = Math.ceil(data.length / config.batchSize);
  const requests = Array.from({ length: count }, (_, n) => {
    const first = n * config.batchSize;
    const length = Math.min(config.batchSize, data.length - first);
    const indices = Array.from({ length }, (_, i) => first + i);
    return { step: 0, indices, sampleNumbers: indices };
  });
  for await (using batch of data.prefetch(requests, job)) {
    using half = await batch.pixels.mul(0.5, job);
    using unit = await half.add(0.5, job);
    const { features, logits, probabilities } = await classifier.forward(unit, job);
    scores.push(...(probabilities.data() as Float32Array));
    for (const tensor of [features, logits, probabilities]) tensor.dispose();
  }
  return classifierReport(classifier.labels, labels, Float32Array.from(scores), {
    bootstrap,
    ...job,
  });
}
