import type { Image } from '../../index.js';
import type { GridSection, ProseSection, Report, Section, TableSection } from '../report/report.js';
import { figure } from '../report/table.js';
import type { ShownPrompt } from './fine-tuning.js';
import { networkSections } from './network-sections.js';
import type { FineTuningVariant } from './options.js';
import type { FineTuningStudy } from './results.js';
import { variantNames } from './variant-names.js';

type Study = Omit<FineTuningStudy, 'files'>;

/** Seeds that are shown of each prompt. */
const seedsShown = 3;

/** The study as a page. */
export function fineTuningReport(
  study: Study,
  shown: readonly ShownPrompt[],
  real: readonly Image[],
): Report {
  const prompts = [...new Set(shown.map(({ prompt }) => prompt))];
  return {
    title: 'Ways of fine-tuning on radiographs',
    summary: `${study.variants.length} variants over ${prompts.length} prompts, trained on ${study.trainingImages} frontal radiographs and compared with ${study.heldOutImages} of other patients.`,
    notices: study.randomWeights
      ? [
          'Random weights: the pipeline had learned nothing before this study. Its images are noise, and its figures show that the study runs, not what fine-tuning does.',
        ]
      : [],
    sections: [
      reading,
      ...networkSections(study),
      figuresTable(study),
      trainingTable(study),
      ...prompts.map((prompt) => seedGrid(study, shown, prompt)),
      closestGrid(study, shown),
      realGrid(real, study),
    ],
    configuration: {
      ...study.configuration,
      variants: study.variants.map(({ variant, digest }) => ({ variant, digest })),
    },
  };
}

const reading: ProseSection = {
  kind: 'prose',
  title: 'How to read this page',
  paragraphs: [
    'Each variant is another way of teaching the same pipeline the same radiographs, and is then asked for the same prompts with the same seeds. “Other encoder” is swapped in without training; with a projection, only the layers between it and the U-Net are trained. Textual inversion learns one word and nothing else.',
    'All images but those called real are synthetic. None is a finding of anyone.',
  ],
};

function figuresTable(study: Study): TableSection {
  const { real } = study;
  return {
    kind: 'table',
    title: 'Diversity and memorisation',
    columns: [
      { name: 'variant' },
      { name: 'prompt' },
      { name: 'images', digits: 0 },
      { name: 'SSIM of two' },
      { name: 'nearest, mean' },
      { name: 'nearest, closest' },
    ],
    rows: [
      ...study.variants.flatMap(({ variant, prompts }) =>
        prompts.map((result) => [
          variantNames[variant],
          result.prompt,
          result.images,
          result.pairwiseSsim,
          result.nearestTraining,
          result.closestTraining,
        ]),
      ),
      [
        'real, held out',
        '',
        study.heldOutImages,
        real.pairwiseSsim,
        real.nearestTraining,
        real.closestTraining,
      ],
    ],
    n: `${study.trainingImages} training images, ${study.heldOutImages} held out`,
    caveat:
      'SSIM of two images of one prompt: above that of real images, the variant repeats itself. Nearest: the training image that is most like an image, by the correlation of 32 × 32 pixels, where 1 is a copy; on average, and the closest. Radiographs are alike by nature, so compare with the last row: a variant that lies above it may have learned images by heart. A copy that is shifted or mirrored is not found this way.',
  };
}

function trainingTable(study: Study): TableSection {
  return {
    kind: 'table',
    title: 'Training',
    columns: [
      { name: 'variant' },
      { name: 'steps', digits: 0 },
      { name: 'loss of the last step', digits: 4 },
      { name: 'SHA-256' },
    ],
    rows: study.variants.map(({ variant, trainedSteps, finalLoss, digest }) => [
      variantNames[variant],
      trainedSteps,
      finalLoss,
      digest.slice(7, 19),
    ]),
    n: `${study.trainingImages} training images`,
    caveat:
      'The loss of one step is noisy, and losses of variants are not comparable as measures of image quality. Variants that are not trained have none.',
  };
}

function seedGrid(study: Study, shown: readonly ShownPrompt[], prompt: string): GridSection {
  const of = (variant: FineTuningVariant) =>
    shown.find((each) => each.variant === variant && each.prompt === prompt);
  const seed = Number(study.configuration.seed);
  const count = Math.min(seedsShown, study.variants[0]?.prompts[0]?.images ?? 0);
  return {
    kind: 'grid',
    title: `“${prompt}”`,
    columns: study.variants.map(({ variant }) => variantNames[variant]),
    rows: Array.from({ length: count }, (_, row) => ({
      label: `seed ${seed + row}`,
      images: study.variants.map(({ variant }) => of(variant)?.images[row] ?? null),
    })),
    n: `${count} of ${study.variants[0]?.prompts[0]?.images ?? 0} seeds`,
    caveat:
      'Synthetic images. The first seeds, not chosen by anyone; one seed across all variants in a row.',
  };
}

function closestGrid(study: Study, shown: readonly ShownPrompt[]): Section {
  return {
    kind: 'grid',
    title: 'Nearest to a training image',
    columns: ['synthetic', 'real, of the training set'],
    rows: shown.map(({ variant, prompt, closest: { generated, training, similarity } }) => ({
      label: `${variantNames[variant]}, “${prompt}”: ${figure(similarity, 3)}`,
      images: [generated, training],
    })),
    n: `1 of ${study.variants[0]?.prompts[0]?.images ?? 0} images for each variant and prompt`,
    caveat:
      'For each variant and prompt, the image that is nearest to any training image, beside it. Look whether it is a copy; a high correlation alone says that both are radiographs.',
  };
}

function realGrid(real: readonly Image[], study: Study): GridSection {
  const some = real.slice(0, 4);
  return {
    kind: 'grid',
    title: 'Real images for comparison',
    columns: some.map((_, index) => `real ${index + 1}`),
    rows: [{ label: 'held out', images: some }],
    n: `${some.length} of ${study.heldOutImages}`,
    caveat: 'The first of the held-out sample, of patients that no variant has seen.',
  };
}
