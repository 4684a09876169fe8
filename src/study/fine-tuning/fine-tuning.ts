import { fitImage, Image, LatentrayError } from '../../index.js';
import { MeasuredSet, MeasuringNetworks } from '../image-sets.js';
import { checkedOptions } from '../options.js';
import { environmentFacts, makeOutput, writeStudy } from '../output.js';
import { mean } from '../statistics.js';
import { meanPairwiseSsim } from './diversity.js';
import { labelsSeen, type PromptProbabilities } from './labels-seen.js';
import {
  type CheckedFineTuningStudy,
  type FineTuningStudyOptions,
  type FineTuningVariant,
  fineTuningStudyOptions,
  fineTuningVariants,
  swaps,
} from './options.js';
import { frontal, type RealImages, realImages } from './real-images.js';
import { fineTuningReport } from './report.js';
import type { FineTuningStudy, PromptResult, VariantResult } from './results.js';
import { nearestOf, thumbnails } from './thumbnails.js';
import { prepareVariant, type ReadyVariant } from './variants.js';

/** The side of images where training says nothing of it: that of `train()`. */
const usualResolution = 512;

/** Images of one prompt and variant, with their nearest training images. */
export interface ShownPrompt {
  readonly variant: FineTuningVariant;
  readonly prompt: string;
  readonly images: readonly Image[];
  /** The image that is nearest to a training image, and that one. */
  readonly closest: {
    readonly generated: Image;
    readonly training: Image;
    readonly similarity: number;
  };
}

/**
 * Ways of fine-tuning a pipeline on radiographs, over prompts: diversity, the nearest training image, images of the
 * same seeds side by side; with a classifier or extractors, Fréchet distances to real images, and whether the
 * classifier sees what prompts ask for. Trains each variant with `train()`; a study that was stopped goes on
 * where it was. Writes results.json and report.html.
 *
 * @throws `ERR_INVALID_ARG` where a data set has fewer than two frontal images or a patient is in both,
 * `ERR_WRITE`, and what loading and training throw.
 */
export async function fineTuning(options: FineTuningStudyOptions): Promise<FineTuningStudy> {
  const given = checkedOptions(fineTuningStudyOptions, options, 'study.fineTuning');
  await makeOutput(given.output);
  const size = given.training?.resolution ?? usualResolution;
  const { dataset, heldOut, imagesPerPrompt, signal, images: count, seed } = given;
  using networks = await MeasuringNetworks.open(given, given.device, signal);
  const training = await realImages('dataset', dataset, 0, size, networks, given);
  const held = await realImages('heldOut', heldOut, imagesPerPrompt, size, networks, given);
  refuseSharedPatients(training, held);
  const variants: VariantResult[] = [];
  const shown: ShownPrompt[] = [];
  for (const variant of chosenVariants(given)) {
    const ready = await prepareVariant(variant, frontal(dataset, count, seed), given);
    try {
      const prompts: PromptResult[] = [];
      const seen: PromptProbabilities[] = [];
      for (const { text, labels } of given.prompts) {
        const made = await studyPrompt(
          variant,
          text,
          ready,
          { training, held, networks, size },
          given,
        );
        prompts.push(made.result);
        shown.push(made.shown);
        seen.push({ labels, probabilities: made.probabilities });
      }
      const names = networks.classifier?.labels ?? [];
      const { trainedSteps, finalLoss } = ready;
      const digest = await ready.pipeline.digest();
      const labels = await labelsSeen(names, seen, signal);
      variants.push({ variant, digest, trainedSteps, finalLoss, prompts, labels });
    } finally {
      ready.pipeline.dispose();
    }
  }
  const nearest = await nearestOf(held.thumbnails, training.thumbnails, signal);
  const similarities = nearest.map(({ similarity }) => similarity);
  const study = {
    study: 'fine-tuning' as const,
    configuration: { ...configurationOf(given, size, training, held), ...(await networks.facts()) },
    randomWeights: given.randomWeights,
    trainingImages: training.records.length,
    heldOutImages: held.records.length,
    real: {
      pairwiseSsim: await meanPairwiseSsim(held.kept, signal),
      nearestTraining: mean(similarities),
      closestTraining: Math.max(...similarities),
      distances: await training.measured.distances(held.measured, signal),
    },
    variants,
  };
  const report = fineTuningReport(study, shown, held.kept);
  return { ...study, files: await writeStudy(given.output, study, report) };
}

function chosenVariants({ variants, textEncoder }: CheckedFineTuningStudy) {
  return variants ?? fineTuningVariants.filter((name) => textEncoder !== undefined || !swaps(name));
}

/** An image of a patient who was learned from says nothing of what is new. */
function refuseSharedPatients(training: RealImages, held: RealImages): void {
  const patients = new Set(training.records.map(({ patient }) => patient));
  const shared = held.records.filter(({ patient }) => patients.has(patient)).length;
  if (shared === 0) return;
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `heldOut: expected other patients than those of dataset, found ${shared} images of the same. Split by patient: dataset.split({ train: 0.8, test: 0.2 })`,
    { argument: 'heldOut' },
  );
}

/** What images of a prompt are compared with. */
interface Comparison {
  readonly training: RealImages;
  readonly held: RealImages;
  readonly networks: MeasuringNetworks;
  readonly size: number;
}

async function studyPrompt(
  variant: FineTuningVariant,
  prompt: string,
  { pipeline, wording }: ReadyVariant,
  { training, held, networks, size }: Comparison,
  options: CheckedFineTuningStudy,
): Promise<{
  readonly result: PromptResult;
  readonly shown: ShownPrompt;
  readonly probabilities: readonly Float32Array[];
}> {
  const { imagesPerPrompt, batchSize, seed, steps, guidanceScale, signal, onProgress } = options;
  const images: Image[] = [];
  for (let start = 0; start < imagesPerPrompt; start += batchSize) {
    const stage = `images of ${variant}`;
    onProgress?.({ stage, done: start, total: imagesPerPrompt });
    const count = Math.min(batchSize, imagesPerPrompt - start);
    const seeds = Array.from({ length: count }, (_, index) => seed + start + index);
    const made = await pipeline.generate({
      prompt: seeds.map(() => wording(prompt)),
      seed: seeds,
      ...{ steps, guidanceScale, width: size, height: size, signal },
    });
    images.push(...made.images);
  }
  const measured = new MeasuredSet(networks);
  await measured.add(images, signal);
  using small = await thumbnails(images, signal);
  const nearest = await nearestOf(small, training.thumbnails, signal);
  const similarities = nearest.map(({ similarity }) => similarity);
  const closestTraining = Math.max(...similarities);
  const at = similarities.indexOf(closestTraining);
  const record = training.records[nearest[at]?.row ?? 0];
  const real = await Image.read(record?.image ?? '', { signal });
  return {
    result: {
      prompt,
      wording: wording(prompt),
      images: images.length,
      pairwiseSsim: await meanPairwiseSsim(images, signal),
      nearestTraining: mean(similarities),
      closestTraining,
      distances: await measured.distances(held.measured, signal),
    },
    probabilities: measured.probabilities,
    shown: {
      variant,
      prompt,
      images,
      closest: {
        generated: images[at] as Image,
        training: await fitImage(real, { width: size, height: size, fit: 'letterbox', signal }),
        similarity: closestTraining,
      },
    },
  };
}

function configurationOf(
  options: CheckedFineTuningStudy,
  size: number,
  training: RealImages,
  held: RealImages,
): Record<string, unknown> {
  const { prompts, imagesPerPrompt, steps, guidanceScale, seed, batchSize, images } = options;
  return {
    ...{ prompts, imagesPerPrompt, steps, guidanceScale, seed, batchSize, images, size },
    ...{ training: options.training, learnedWord: options.learnedWord },
    dataset: { images: training.records.length, digest: training.digest },
    heldOut: { images: held.records.length, digest: held.digest },
    ...environmentFacts(),
  };
}
