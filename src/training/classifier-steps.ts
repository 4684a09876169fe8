import type { Classifier } from '../models/classifier.js';
import { addon, runJob } from '../native/addon.js';
import type { ClassifierTrainerHandle } from '../native/addon-types.js';
import {
  batchHandles,
  type ClassifierBatchRequest,
  type ClassifierData,
} from './classifier-data.js';
import { positiveWeights } from './classifier-targets.js';
import { SampleOrder } from './data/sample-order.js';
import type { ClassifierTrainConfig } from './train-classifier-options.js';

type StepConfig = Pick<
  ClassifierTrainConfig,
  'batchSize' | 'weightDecay' | 'posWeightLimit' | 'augmentation' | 'precision' | 'seed'
>;

/** @internal What steps are made with. */
export interface ClassifierRun {
  readonly classifier: Classifier;
  readonly config: StepConfig;
  readonly signal: AbortSignal | undefined;
}

/** @internal Which steps, and how fast each learns. */
export interface ClassifierSteps {
  readonly first: number;
  readonly count: number;
  readonly learningRateAt: (step: number) => number;
}

/** @internal Dispose of it. */
export function makeTrainer(
  { classifier, config, signal }: ClassifierRun,
  train: ClassifierData,
): Promise<ClassifierTrainerHandle> {
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

/** @internal How many steps look at about all images once. */
export function stepsOfEpoch({ config }: ClassifierRun, data: ClassifierData): number {
  return Math.max(1, Math.floor(data.length / config.batchSize));
}

/**
 * @internal Steps over batches in an order that follows from the seed: all images come once before one comes again.
 * Returns the mean loss.
 */
export async function trainSteps(
  { config, signal }: ClassifierRun,
  trainer: ClassifierTrainerHandle,
  data: ClassifierData,
  { first, count, learningRateAt }: ClassifierSteps,
): Promise<number> {
  const order = new SampleOrder(config.seed, data.length);
  const size = Math.min(config.batchSize, data.length);
  const requests = Array.from({ length: count }, (_, n) => {
    const step = first + n;
    const sampleNumbers = Array.from({ length: size }, (_, i) => step * size + i);
    return { step, sampleNumbers, indices: sampleNumbers.map((number) => order.indexOf(number)) };
  });
  let sum = 0;
  for await (using batch of data.batches(requests)) {
    const { step } = batch;
    const { loss } = await runJob(signal, (token) =>
      trainer.accumulate(batchHandles(batch), { step, microSteps: 1 }, token),
    );
    await runJob(signal, (token) => trainer.update(learningRateAt(step), token));
    sum += loss;
  }
  return sum / count;
}

/** @internal What the classifier says of all images: [N, labels], row by row. */
export async function probabilitiesOf(
  {
    classifier,
    config,
    signal,
  }: Omit<ClassifierRun, 'config'> & { readonly config: Pick<StepConfig, 'batchSize'> },
  data: ClassifierData,
): Promise<Float32Array> {
  const job = { ...(signal && { signal }) };
  const rows: Float32Array[] = [];
  for await (using batch of data.batches(inOrder(data.length, config.batchSize))) {
    using half = await batch.pixels.mul(0.5, job);
    using unit = await half.add(0.5, job);
    const { features, logits, probabilities } = await classifier.forward(unit, job);
    rows.push((probabilities.data() as Float32Array).slice());
    for (const tensor of [features, logits, probabilities]) tensor.dispose();
  }
  return joined(rows);
}

function inOrder(length: number, size: number): ClassifierBatchRequest[] {
  return Array.from({ length: Math.ceil(length / size) }, (_, n) => {
    const count = Math.min(size, length - n * size);
    const indices = Array.from({ length: count }, (_, i) => n * size + i);
    return { step: 0, indices, sampleNumbers: indices };
  });
}

function joined(rows: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}
