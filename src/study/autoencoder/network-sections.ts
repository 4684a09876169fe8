import type { Section } from '../report/report.js';
import type { DatasetReconstruction } from './results.js';

/** Tables of what networks see; none where there were no networks. */
export function networkSections(sets: readonly DatasetReconstruction[]): Section[] {
  return [...distanceTable(sets), ...labelTable(sets)];
}

function distanceTable(sets: readonly DatasetReconstruction[]): Section[] {
  const rows = sets.flatMap(({ name, networks: { distances } }) =>
    distances.map(({ network, reconstructed, floor, acrossHalves }) => [
      name,
      network,
      reconstructed.value,
      reconstructed.counts[0],
      floor?.value ?? null,
      acrossHalves?.value ?? null,
      floor ? Math.min(...floor.counts) : null,
      reconstructed.width,
    ]),
  );
  if (rows.length === 0) return [];
  return [
    {
      kind: 'table',
      title: 'Fréchet distances in features of networks',
      columns: [
        { name: 'data set' },
        { name: 'network' },
        { name: 'reconstructed' },
        { name: 'images', digits: 0 },
        { name: 'real halves' },
        { name: 'crossed halves' },
        { name: 'of a half', digits: 0 },
        { name: 'features', digits: 0 },
      ],
      rows,
      n: sizes(sets),
      caveat:
        'Reconstructed: originals against their own reconstructions. Real halves: originals of half of the patients against those of the other half, which is what distance comes to where nothing was done; compare it with crossed halves, originals of one half against reconstructions of the other, which has as many images. The fewer images, the larger the distance, and with fewer images than features none of these figures is comparable with one from another number of images.',
    },
  ];
}

function labelTable(sets: readonly DatasetReconstruction[]): Section[] {
  const rows = sets.flatMap(({ name, networks: { labels } }) =>
    labels.map(({ label, original, restored, difference }) => [
      name,
      label,
      original.positives,
      original.negatives,
      original.value,
      restored.value,
      difference.value,
      difference.lower ?? null,
      difference.upper ?? null,
    ]),
  );
  if (rows.length === 0) return [];
  return [
    {
      kind: 'table',
      title: 'What a classifier still sees',
      columns: [
        { name: 'data set' },
        { name: 'label' },
        { name: 'with', digits: 0 },
        { name: 'without', digits: 0 },
        { name: 'AUROC before' },
        { name: 'after' },
        { name: 'difference' },
        { name: '95 %, from' },
        { name: 'to' },
      ],
      rows,
      n: sizes(sets),
      caveat:
        'Intervals are from a paired bootstrap over images. One that holds 0 says that these images show no difference, and not that there is none. The classifier was not trained on reconstructions, so what it loses is not all lost to the eye; and it looks at few pixels, so what it keeps is not all that was there.',
    },
  ];
}

function sizes(sets: readonly DatasetReconstruction[]): string {
  return sets.map(({ name, images }) => `${images} of ${name}`).join(', ');
}
