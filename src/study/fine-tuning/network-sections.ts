import type { Section } from '../report/report.js';
import type { FineTuningStudy } from './results.js';
import { variantNames } from './variant-names.js';

type Study = Pick<FineTuningStudy, 'variants' | 'real' | 'heldOutImages' | 'trainingImages'>;

/** Tables of what networks see; none where there were no networks. */
export function networkSections(study: Study): Section[] {
  return [...distanceTable(study), ...labelTable(study)];
}

function distanceTable({ variants, real, heldOutImages, trainingImages }: Study): Section[] {
  if (real.distances.length === 0) return [];
  const rows = variants.flatMap(({ variant, prompts }) =>
    prompts.flatMap(({ prompt, distances }) =>
      distances.map(({ network, value, counts, width }) => [
        ...[variantNames[variant], prompt, network],
        ...[value, counts[0], counts[1], width],
      ]),
    ),
  );
  const floor = real.distances.map(({ network, value, counts, width }) => [
    ...['real, trained on', '', network],
    ...[value, counts[0], counts[1], width],
  ]);
  return [
    {
      kind: 'table',
      title: 'Fréchet distances to held-out real images',
      columns: [
        { name: 'variant' },
        { name: 'prompt' },
        { name: 'network' },
        { name: 'distance' },
        { name: 'images', digits: 0 },
        { name: 'real images', digits: 0 },
        { name: 'features', digits: 0 },
      ],
      rows: [...rows, ...floor],
      n: `${heldOutImages} held out, ${trainingImages} training images`,
      caveat:
        'The smaller, the more alike are the two sets as wholes. Images of one prompt are less varied than real radiographs of many patients, so no variant reaches the last row, real training images against real held-out ones. The fewer images, the larger the distance: compare rows with as many images only, and with no other study.',
    },
  ];
}

function labelTable({ variants, heldOutImages }: Study): Section[] {
  const rows = variants.flatMap(({ variant, labels }) =>
    labels.map(({ label, auroc, agreement }) => [
      ...[variantNames[variant], label, auroc.positives, auroc.negatives, auroc.value],
      ...[auroc.lower ?? null, auroc.upper ?? null, agreement],
    ]),
  );
  if (rows.length === 0) return [];
  return [
    {
      kind: 'table',
      title: 'Does a classifier see what was asked for?',
      columns: [
        { name: 'variant' },
        { name: 'label' },
        { name: 'asked for', digits: 0 },
        { name: 'left out', digits: 0 },
        { name: 'AUROC' },
        { name: '95 %, from' },
        { name: 'to' },
        { name: 'right at 0.5' },
      ],
      rows,
      n: `images of the prompts that say something of the label; ${heldOutImages} held out`,
      caveat:
        'AUROC: how well the classifier’s probability tells images whose prompt asks for the finding from images whose prompt leaves it out; 0.5 is chance. Right at 0.5: the share on the right side, which depends on how the classifier was calibrated. A classifier sees what it has learned to see, also where no radiologist would.',
    },
  ];
}
