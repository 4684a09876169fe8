import { differenceImage } from '../../index.js';
import { legendFor } from '../report/plot.js';
import type {
  GridSection,
  PlotSection,
  ProseSection,
  Report,
  Section,
  TableSection,
} from '../report/report.js';
import { figure } from '../report/table.js';
import type { Example } from './examples.js';
import { networkSections } from './network-sections.js';
import type { ReconstructedDataset } from './reconstruct-dataset.js';
import type { AutoencoderStudy } from './results.js';
import type { Measure } from './similarities.js';

type Study = Omit<AutoencoderStudy, 'files'>;

/** How much errors are brightened for the eye. */
const gain = 8;

/** The study as a page. */
export function autoencoderReport(study: Study, sets: readonly ReconstructedDataset[]): Report {
  return {
    title: 'What an autoencoder keeps of radiographs',
    summary: `${study.datasets.map(({ name, images, patients }) => `${name}: ${images} frontal radiographs of ${patients} patients`).join('; ')}. Each was encoded and decoded; originals and reconstructions are compared.`,
    notices: study.randomWeights
      ? [
          'Random weights: this autoencoder has learned nothing. The figures show that the study runs, and nothing about a published autoencoder.',
        ]
      : [],
    sections: [
      reading,
      similarityTable(study),
      ...networkSections(study.datasets),
      similarityPlot(study, 'psnr', 'PSNR, dB'),
      similarityPlot(study, 'ssim', 'SSIM'),
      powerPlot(study),
      lossPlot(study),
      ...sets.flatMap((set) => exampleGrids(set)),
    ],
    configuration: study.configuration,
  };
}

const reading: ProseSection = {
  kind: 'prose',
  title: 'How to read this page',
  paragraphs: [
    'A latent diffusion model can draw nothing that its autoencoder cannot: what is lost here is lost in every generated image. RMSE is in units of the pixels (0 black, 1 white) and PSNR its logarithm: an error half as large is 6 dB more. SSIM and MS-SSIM compare local structure; 1 is equal.',
    'None of the measures of pixels knows what a finding is. A nodule of a few pixels can vanish and leave all of them almost as they were, so look at the worst images too.',
  ],
};

function sizes(study: Study): string {
  return study.datasets.map(({ name, images }) => `${images} of ${name}`).join(', ');
}

function similarityTable(study: Study): TableSection {
  return {
    kind: 'table',
    title: 'Originals against reconstructions',
    columns: [
      { name: 'data set' },
      { name: 'images', digits: 0 },
      { name: 'RMSE', digits: 4 },
      { name: 'PSNR, dB', digits: 2 },
      { name: '± SD', digits: 2 },
      { name: '5 % below', digits: 2 },
      { name: 'SSIM', digits: 4 },
      { name: '± SD', digits: 4 },
      { name: '5 % below', digits: 4 },
      { name: 'MS-SSIM', digits: 4 },
    ],
    rows: study.datasets.map(({ name, images, similarity: { rmse, psnr, ssim, msSsim } }) => [
      name,
      images,
      rmse.mean,
      psnr.mean,
      psnr.deviation,
      psnr.low,
      ssim.mean,
      ssim.deviation,
      ssim.low,
      msSsim.mean,
    ]),
    n: sizes(study),
    caveat:
      'Means over images. Figures depend on the size in pixels and on how images were brought to it: compare only what was made with the same configuration. Black bars of letterboxing are easy and raise every figure. A dash under MS-SSIM: images under 176 pixels have no fifth scale.',
  };
}

function similarityPlot(study: Study, measure: Measure, title: string): PlotSection {
  const values = study.datasets.flatMap(({ name, perImage }) =>
    perImage.map((image) => ({ name, value: image[measure] })),
  );
  const names = study.datasets.map(({ name }) => name);
  return {
    kind: 'plot',
    title: `${title}, image by image`,
    description: `Distribution of ${title} over the images of each data set.`,
    spec: (width) => ({
      height: { step: 46 },
      autosize: { type: 'fit-x', contains: 'padding' },
      data: { values: values.filter(({ value }) => Number.isFinite(value)) },
      mark: {
        type: 'boxplot',
        size: 22,
        extent: 1.5,
        median: { color: 'currentColor' },
        rule: { color: 'currentColor' },
        outliers: { size: 14, opacity: 0.6 },
      },
      encoding: {
        x: { field: 'value', type: 'quantitative', title, scale: { zero: false } },
        y: {
          field: 'name',
          type: 'nominal',
          title: null,
          sort: names,
          axis: { labelLimit: Math.round(width / 2.4) },
        },
        color: { field: 'name', type: 'nominal', sort: names, legend: null },
      },
    }),
    n: sizes(study),
    caveat:
      'Box: the middle half; line: the median; whiskers: the last image within 1.5 boxes; points: images beyond. The left tail is what a mean hides.',
  };
}

function powerPlot(study: Study): PlotSection {
  const values = study.datasets.flatMap(({ name, spectra }) =>
    spectra.frequencies.slice(1).flatMap((frequency, ring) =>
      (['original', 'restored'] as const).map((kind) => ({
        frequency,
        name,
        power: spectra[kind][ring + 1],
        kind: kind === 'original' ? 'originals' : 'reconstructions',
      })),
    ),
  );
  const names = study.datasets.map(({ name }) => name);
  return {
    kind: 'plot',
    title: 'Power by frequency',
    description: 'Mean power spectrum of originals and reconstructions for each data set.',
    spec: (width) => ({
      height: Math.min(width, 360),
      data: { values },
      mark: { type: 'line', clip: true },
      encoding: {
        x: { field: 'frequency', type: 'quantitative', title: 'cycles a pixel' },
        y: {
          field: 'power',
          type: 'quantitative',
          scale: { type: 'log' },
          axis: { format: '.0e', tickCount: 6 },
          title: 'mean power',
        },
        color: { field: 'name', type: 'nominal', sort: null, legend: legendFor(names, width) },
        strokeDash: {
          field: 'kind',
          type: 'nominal',
          sort: null,
          legend: { ...legendFor(['originals', 'reconstructions'], width), orient: 'bottom' },
        },
      },
    }),
    n: sizes(study),
    caveat:
      'Where the dashed line lies below, the autoencoder smooths; where it lies above, it makes up texture. JPEG files and resizing have taken away high frequencies of the originals already.',
  };
}

function lossPlot(study: Study): PlotSection {
  const values = study.datasets.flatMap(({ name, spectra: { frequencies, lost } }) =>
    frequencies.slice(1).map((frequency, ring) => ({ frequency, name, lost: lost[ring + 1] })),
  );
  const names = study.datasets.map(({ name }) => name);
  return {
    kind: 'plot',
    title: 'What is thrown away, by frequency',
    description: 'Power of the error as a share of the power of the originals, by frequency.',
    spec: (width) => ({
      height: Math.min(width, 320),
      data: { values },
      layer: [
        {
          mark: { type: 'rule', strokeDash: [4, 4], opacity: 0.5, stroke: 'currentColor' },
          encoding: { y: { datum: 1 } },
        },
        {
          mark: { type: 'line', clip: true },
          encoding: {
            x: { field: 'frequency', type: 'quantitative', title: 'cycles a pixel' },
            y: {
              field: 'lost',
              type: 'quantitative',
              title: 'power of the error / of the originals',
            },
            color: { field: 'name', type: 'nominal', sort: null, legend: legendFor(names, width) },
          },
        },
      ],
    }),
    n: sizes(study),
    caveat:
      '0: that frequency is kept as it was. 1: the error is as strong as what was there, so nothing of it can be relied on. A frequency of 0.25 is a pattern of 4 pixels.',
  };
}

function exampleGrids({ result, examples }: ReconstructedDataset): Section[] {
  const grids: [string, readonly Example[], string][] = [
    [
      `Worst images of ${result.name}`,
      examples.worst,
      'Those of the largest RMSE: the worst of all that were drawn, and not what is usual.',
    ],
    [
      `Images of ${result.name}, as drawn`,
      examples.drawn,
      'The first of the random sample, not chosen by anyone.',
    ],
  ];
  return grids
    .filter(([, shown]) => shown.length > 0)
    .map(
      ([title, shown, caveat]): GridSection => ({
        kind: 'grid',
        title,
        columns: ['original', 'reconstruction', `error × ${gain}`],
        rows: shown.map(({ original, restored, figures }) => ({
          label: `${figure(figures.psnr, 1)} dB, SSIM ${figure(figures.ssim, 3)}, image ${figures.id}`,
          images: [original, restored, differenceImage(original, restored, gain)],
        })),
        n: `${shown.length} of ${result.images}`,
        caveat: `${caveat} The error is the absolute difference, ${gain} times brighter.`,
      }),
    );
}
