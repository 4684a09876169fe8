import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Classifier } from '../../models/classifier.js';
import { packageVersion } from '../../native/package-root.js';
import { parseOptions } from '../../parse-options.js';
import { ClassifierData, KeptPixels } from '../../training/classifier-data.js';
import { makeTrainer, probabilitiesOf, trainSteps } from '../../training/classifier-steps.js';
import { learningRateAt } from '../../training/learning-rate.js';
import { classifierTrainConfig } from '../../training/train-classifier-options.js';
import type {
  ClassifierTrainer,
  ClassifierTraining,
  LabelledImage,
  TrainedClassifier,
} from './classifier-trainer.js';

/** What of a training of a classifier is the same for each that is compared. */
export const networkTrainerConfig = classifierTrainConfig
  .omit({
    labels: true,
    absentIsNegative: true,
    validation: true,
    epochs: true,
    patience: true,
    seed: true,
  })
  .extend({
    steps: z
      .int()
      .min(1)
      .default(600)
      .describe('of every training, whatever it learns from; their rate falls along a cosine'),
  });

/** @internal */
const networkTrainerOptions = networkTrainerConfig.extend({
  device: z.string().min(1).optional(),
});

/** What {@link networkTrainer} takes. */
export interface NetworkTrainerOptions extends z.input<typeof networkTrainerConfig> {
  /** @default LATENTRAY_DEVICE, or 'cpu' */
  readonly device?: string | undefined;
}

type Options = z.output<typeof networkTrainerOptions>;
type Config = Options & { readonly seed: number };

/**
 * The small residual network of `trainClassifier`, trained for a fixed number of steps: however many images there are to
 * learn from, each training costs the same and none is chosen by a validation split. The last step's network is asked.
 *
 * @throws `ERR_INVALID_ARG`.
 */
export function networkTrainer(options: NetworkTrainerOptions = {}): ClassifierTrainer {
  const given = parseOptions(networkTrainerOptions, options, 'networkTrainer');
  const kept = new KeptPixels();
  const { device: _, dataloaderNumWorkers: __, ...told } = given;
  const facts = JSON.stringify(['networkTrainer', packageVersion, told]);
  return {
    digest: createHash('sha256').update(facts).digest('hex'),
    train: (request) => trainNetwork(request, given, kept),
  };
}

async function trainNetwork(
  { samples, labels, seed, from, share, signal }: ClassifierTraining,
  options: Options,
  kept: KeptPixels,
): Promise<TrainedClassifier> {
  const config = { ...options, seed };
  const { network, device, learningRate } = config;
  const known = from instanceof TrainedNetwork ? from : undefined;
  const classifier =
    known?.classifier ??
    (await Classifier.create({ ...network, labels: [...labels] }, { seed, device, signal }));
  try {
    const run = { classifier, config, signal };
    using data = await openImages(samples, classifier, config, kept, signal);
    const trainer = await makeTrainer(run, data);
    const maxTrainSteps = Math.max(1, Math.round(options.steps * share));
    const schedule = {
      lrScheduler: 'cosine',
      lrWarmupSteps: 0,
      lrNumCycles: 1,
      lrPower: 1,
    } as const;
    const rate = (step: number) =>
      learningRateAt(step, { learningRate, maxTrainSteps, ...schedule });
    const steps = { first: 0, count: maxTrainSteps, learningRateAt: rate };
    await trainSteps(run, trainer, data, steps).finally(() => trainer.dispose());
    return known ?? new TrainedNetwork(classifier, config, kept);
  } catch (error) {
    if (!known) classifier.dispose();
    throw error;
  }
}

/** A network that was trained; going on from it changes it. */
class TrainedNetwork implements TrainedClassifier {
  readonly #config: Config;
  readonly #kept: KeptPixels;

  constructor(
    readonly classifier: Classifier,
    config: Config,
    kept: KeptPixels,
  ) {
    this.#config = config;
    this.#kept = kept;
  }

  async predict(
    images: readonly LabelledImage[],
    { signal }: { readonly signal?: AbortSignal | undefined },
  ): Promise<readonly Float32Array[]> {
    const run = { classifier: this.classifier, config: this.#config, signal };
    using data = await openImages(images, this.classifier, this.#config, this.#kept, signal);
    const all = await probabilitiesOf(run, data);
    const width = this.classifier.labels.length;
    return images.map((_, i) => all.subarray(i * width, (i + 1) * width));
  }

  dispose(): void {
    this.classifier.dispose();
  }
}

function openImages(
  images: readonly LabelledImage[],
  { labels }: Classifier,
  { network, dataloaderNumWorkers: concurrency }: Config,
  kept: KeptPixels,
  signal: AbortSignal | undefined,
): Promise<ClassifierData> {
  // Synthetic images have names of their own, which may be those of real ones.
  const records = images.map((image, n) => ({
    ...image,
    id: `${n} ${image.id}`,
    patient: image.id,
  }));
  const size = network.image_size;
  return ClassifierData.open(records, labels, { size, concurrency, kept, signal });
}
