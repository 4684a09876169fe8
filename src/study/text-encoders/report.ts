import { legendFor } from '../report/plot.js';
import type { PlotSection, ProseSection, Report, Section, TableSection } from '../report/report.js';
import { known, mean } from '../statistics.js';
import type { Corpus } from './corpora.js';
import type { CorpusResult, TextEncoderStudy } from './results.js';

type Study = Omit<TextEncoderStudy, 'files'>;

/** The study as a page. Texts of reports are not part of it. */
export function textEncoderReport(study: Study, corpora: readonly Corpus[]): Report {
  return {
    title: 'What text encoders keep of clinical texts',
    summary: `${study.encoders.length} text encoders over ${study.corpora.map(({ name, texts }) => `${texts} ${name}`).join('; ')}.`,
    notices: noticesOf(study),
    sections: [
      reading,
      encoderTable(study),
      summaryTable(study),
      ...[isPrompts, isReports].flatMap((belongs) => probePlots(study, belongs)),
      probeTable(study),
      contrastTable(study),
      contrastPlot(study),
      geometryTable(study),
      ...mapPlots(study, corpora),
    ],
    configuration: { ...study.configuration, corpora: study.corpora },
  };
}

const reading: ProseSection = {
  kind: 'prose',
  title: 'How to read this page',
  paragraphs: [
    'Each text becomes one vector. A probe is a simple reader of vectors: logistic regression (linear), or the vote of the five nearest texts by cosine (neighbours). If a simple reader finds a label in vectors that it has not seen, the encoder kept it. AUROC is the chance that a text with the label scores above one without: 0.5 is a coin, 1 is perfect.',
    'Probes are never asked about a group that they learned from: a patient for reports, a wording or a finding for prompts. That a label can be read does not mean that a diffusion model uses it.',
  ],
};

function noticesOf({ encoders, corpora }: Study): string[] {
  const random = encoders.filter(({ randomWeights }) => randomWeights).map(({ name }) => name);
  const notices: string[] = [];
  if (random.length > 0) {
    notices.push(
      `Random weights: ${random.join(', ')}. Figures of these encoders say what a network that has learned nothing gives, and nothing about a published encoder.`,
    );
  }
  if (!corpora.some(({ name }) => name === 'reports')) {
    notices.push('No reports were given: all figures are of short sentences made for this study.');
  }
  return notices;
}

function shown({ name, randomWeights }: Study['encoders'][number]): string {
  return randomWeights ? `${name} (random weights)` : name;
}

function corpusSizes({ corpora }: Study): string {
  return corpora
    .map(({ name, texts, groups, groupedBy }) => `${texts} ${name} (${groups} by ${groupedBy})`)
    .join('; ');
}

function encoderTable(study: Study): TableSection {
  return {
    kind: 'table',
    title: 'Encoders',
    columns: [
      { name: 'encoder' },
      { name: 'weights' },
      { name: 'kind' },
      { name: 'pooling' },
      { name: 'width', digits: 0 },
      { name: 'tokens at most', digits: 0 },
      { name: 'texts cut', digits: 0 },
      { name: 'SHA-256' },
    ],
    rows: study.encoders.map((encoder) => [
      encoder.name,
      encoder.randomWeights ? 'random' : 'trained',
      encoder.modelType,
      encoder.pooling,
      encoder.width,
      encoder.maxLength,
      encoder.corpora.reduce((sum, { cut }) => sum + cut, 0),
      encoder.digest?.slice(7, 19) ?? null,
    ]),
    n: `${study.encoders.length} encoders`,
    caveat:
      'A text that is longer than an encoder takes is cut, and what stood behind the cut is lost to it. “Trained” says that weights were loaded from a file and not declared random.',
  };
}

function summaryTable(study: Study): TableSection {
  const average = (result: CorpusResult, figure: keyof CorpusResult['probes'][number]) =>
    mean(known(result.probes.map((probe) => Number(probe[figure]))));
  return {
    kind: 'table',
    title: 'Information kept, mean over labels',
    columns: [
      { name: 'encoder' },
      { name: 'texts' },
      { name: 'labels', digits: 0 },
      { name: 'linear AUROC' },
      { name: 'neighbour AUROC' },
      { name: 'precision at 1' },
      { name: 'precision at 10' },
      { name: 'by chance' },
    ],
    rows: study.encoders.flatMap((encoder) =>
      encoder.corpora.map((result) => [
        shown(encoder),
        result.corpus,
        result.probes.length,
        average(result, 'linear'),
        average(result, 'neighbours'),
        average(result, 'precisionAt1'),
        average(result, 'precisionAt10'),
        average(result, 'chance'),
      ]),
    ),
    n: corpusSizes(study),
    caveat:
      'Means over labels hide that rare labels are measured badly. Precision is retrieval: of the texts nearest to one with the label, the share that has it too. Prompts have few wordings, so words alone give much away.',
  };
}

const isReports = (corpus: string) => corpus === 'reports';
const isPrompts = (corpus: string) => !isReports(corpus);

/** One plot of what belongs together, none where no label was studied. */
function probePlots(study: Study, belongs: (corpus: string) => boolean): PlotSection[] {
  const corpora = study.corpora.filter(({ name }) => belongs(name));
  const labels = corpora.flatMap((corpus) => corpus.labels);
  const values = study.encoders.flatMap((encoder) =>
    encoder.corpora
      .filter(({ corpus }) => belongs(corpus))
      .flatMap(({ probes }) =>
        probes.map(({ label, linear }) => ({ encoder: shown(encoder), label, auroc: linear })),
      ),
  );
  if (values.length === 0) return [];
  const what = corpora.some(({ name }) => isReports(name)) ? 'reports' : 'prompts';
  return [
    {
      kind: 'plot',
      title: `Linear probe, ${what}`,
      description: `AUROC of the linear probe for each label and encoder over ${what}.`,
      spec: (width) => probeSpec(values, labels, width),
      n: corpora.map(({ name, texts }) => `${texts} ${name}`).join('; '),
      caveat:
        'Out-of-fold scores of several probes are pooled, which costs a little AUROC. With few positives a point can move by a tenth from one draw of patients to the next.',
    },
  ];
}

interface ProbePoint {
  readonly encoder: string;
  readonly label: string;
  readonly auroc: number;
}

function probeSpec(values: readonly ProbePoint[], labels: readonly string[], width: number) {
  const least = Math.min(0.45, ...known(values.map(({ auroc }) => auroc)));
  const scale = { domain: [Math.floor(least * 20) / 20, 1], zero: false };
  const names = [...new Set(values.map(({ encoder }) => encoder))];
  return {
    height: { step: 26 },
    autosize: { type: 'fit-x', contains: 'padding' },
    data: { values },
    layer: [
      {
        mark: { type: 'rule', strokeDash: [4, 4], opacity: 0.5, stroke: 'currentColor' },
        encoding: { x: { datum: 0.5, type: 'quantitative', scale } },
      },
      {
        mark: { type: 'point', filled: true, size: 70, opacity: 0.9 },
        encoding: {
          x: { field: 'auroc', type: 'quantitative', title: 'AUROC (0.5 is chance)', scale },
          y: { field: 'label', type: 'nominal', title: null, sort: labels },
          color: {
            field: 'encoder',
            type: 'nominal',
            sort: null,
            legend: legendFor(names, width),
          },
          shape: { field: 'encoder', type: 'nominal', sort: null },
        },
      },
    ],
  };
}

function probeTable(study: Study): TableSection {
  return {
    kind: 'table',
    title: 'Every label',
    columns: [
      { name: 'encoder' },
      { name: 'texts' },
      { name: 'label' },
      { name: 'positives', digits: 0 },
      { name: 'negatives', digits: 0 },
      { name: 'linear AUROC' },
      { name: 'neighbour AUROC' },
      { name: 'precision at 1' },
      { name: 'precision at 10' },
      { name: 'by chance' },
    ],
    rows: study.encoders.flatMap((encoder) =>
      encoder.corpora.flatMap(({ corpus, probes }) =>
        probes.map((probe) => [
          shown(encoder),
          corpus,
          probe.label,
          probe.positives,
          probe.negatives,
          probe.linear,
          probe.neighbours,
          probe.precisionAt1,
          probe.precisionAt10,
          probe.chance,
        ]),
      ),
    ),
    n: corpusSizes(study),
    caveat:
      'Labels of reports come from their data set: from a labeller’s rules or an indexer’s keywords, not from a second radiologist. A dash is a figure that could not be measured.',
  };
}

const kinds = ['negation', 'laterality'] as const;

function contrastTable(study: Study): TableSection {
  return {
    kind: 'table',
    title: 'Negation and laterality',
    columns: [
      { name: 'encoder' },
      { name: 'contrast' },
      { name: 'cosine: other wording, same meaning' },
      { name: 'cosine: contradiction' },
      { name: 'cosine: other finding' },
      { name: 'same meaning nearer' },
    ],
    rows: study.encoders.flatMap((encoder) =>
      kinds.map((kind) => {
        const { same, opposite, other, sameIsNearer } = encoder[kind];
        return [shown(encoder), kind, same, opposite, other, sameIsNearer];
      }),
    ),
    n: kinds.map((kind) => `${study.encoders[0]?.[kind].contrasts ?? 0} of ${kind}`).join(', '),
    caveat:
      '“There is a pleural effusion.” beside “There is no pleural effusion.”, “Left …” beside “Right …”. The contradiction shares almost all words, the other wording few, so an encoder of words alone falls below 0.5 in the last column. A cosine says nothing by itself: compare within a row.',
  };
}

/** Between the two lines of a row's name. */
const separator = ' · ';

function contrastPlot(study: Study): PlotSection {
  const pairs = ['same meaning', 'contradiction', 'other finding'] as const;
  const values = study.encoders.flatMap((encoder) =>
    kinds.flatMap((kind) => {
      const { same, opposite, other } = encoder[kind];
      const row = `${encoder.name}${separator}${kind}`;
      return [same, opposite, other].map((cosine, index) => ({ row, cosine, pair: pairs[index] }));
    }),
  );
  return {
    kind: 'plot',
    title: 'How near contradictions lie',
    description: 'Mean cosines of paraphrases, contradictions and other findings for each encoder.',
    spec: (width) => ({
      height: { step: 42 },
      autosize: { type: 'fit-x', contains: 'padding' },
      data: { values },
      mark: { type: 'point', filled: true, size: 80 },
      encoding: {
        x: {
          field: 'cosine',
          type: 'quantitative',
          title: 'mean cosine',
          scale: { zero: false, nice: true },
        },
        y: {
          field: 'row',
          type: 'nominal',
          title: null,
          sort: null,
          axis: {
            labelExpr: `split(datum.label, '${separator}')`,
            labelLimit: Math.round(width / 2.8),
          },
        },
        color: { field: 'pair', type: 'nominal', sort: null, legend: legendFor(pairs, width) },
        shape: { field: 'pair', type: 'nominal', sort: null },
      },
    }),
    n: kinds.map((kind) => `${study.encoders[0]?.[kind].contrasts ?? 0} of ${kind}`).join(', '),
    caveat:
      'An encoder that knows negation and sides puts “same meaning” to the right of “contradiction”. Sentences are made for this study and short; reports negate in longer ways.',
  };
}

function geometryTable(study: Study): TableSection {
  return {
    kind: 'table',
    title: 'Anisotropy',
    columns: [
      { name: 'encoder' },
      { name: 'texts' },
      { name: 'mean cosine' },
      { name: 'variance along the first direction' },
      { name: 'directions in use', digits: 1 },
      { name: 'width', digits: 0 },
    ],
    rows: study.encoders.flatMap((encoder) =>
      encoder.corpora.map(({ corpus, geometry }) => [
        shown(encoder),
        corpus,
        geometry.meanCosine,
        geometry.firstComponent,
        geometry.effectiveDimensions,
        encoder.width,
      ]),
    ),
    n: corpusSizes(study),
    caveat:
      'Mean cosine of two different texts: near 1, all vectors point one way and cosines tell little apart. Directions in use is (Σλ)² / Σλ² of the variances, which cannot exceed the number of texts. Texts on one subject are alike by nature.',
  };
}

/** Labels that a map tells apart; more colours than that nobody tells apart. */
const labelsOfMap = 5;

function mapPlots(study: Study, corpora: readonly Corpus[]): Section[] {
  const corpus = corpora.find(({ name }) => name === 'reports') ?? corpora[0];
  if (!corpus) return [];
  const classes = corpus.values.map((row) => classOf(row, corpus.labels.slice(0, labelsOfMap)));
  return study.encoders.flatMap((encoder) => {
    const result = encoder.corpora.find((each) => each.corpus === corpus.name);
    if (!result) return [];
    const { x, y, variance } = result.map;
    const values = classes.map((label, row) => ({ x: x[row], y: y[row], label }));
    const percent = (share: number) => `${(100 * share).toFixed(1)} % of the variance`;
    const section: PlotSection = {
      kind: 'plot',
      title: `Map of ${corpus.name}: ${shown(encoder)}`,
      description: `Each text of ${corpus.name} as a point, by the first two principal components.`,
      spec: (width) => ({
        height: Math.min(width, 460),
        data: { values },
        mark: { type: 'point', filled: true, size: 28, opacity: 0.75 },
        encoding: {
          x: {
            field: 'x',
            type: 'quantitative',
            title: percent(variance[0]),
            axis: { labels: false, ticks: false, grid: false },
            scale: { zero: false },
          },
          y: {
            field: 'y',
            type: 'quantitative',
            title: percent(variance[1]),
            axis: { labels: false, ticks: false, grid: false },
            scale: { zero: false },
          },
          color: {
            field: 'label',
            type: 'nominal',
            sort: [...corpus.labels.slice(0, labelsOfMap), others],
            legend: legendFor([...corpus.labels.slice(0, labelsOfMap), others], width),
          },
        },
      }),
      n: `${values.length} texts`,
      caveat:
        'Principal components keep large distances and lose most others: groups that lie apart here are apart, groups that overlap here need not be mixed. A text with several labels has the colour of the first in the legend.',
    };
    return [section];
  });
}

const others = 'none of these';

function classOf(row: readonly number[], labels: readonly string[]): string {
  return labels.find((_, index) => row[index] === 1) ?? others;
}
