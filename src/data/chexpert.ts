import { join } from 'node:path';
import { readCsv } from './csv-rows.js';
import { isFile, pathInside } from './files.js';
import { applyLabelRules, chexpertLabels, readLabels } from './labels.js';
import type { Layout, ParsedDatasetOptions } from './layout.js';
import { datasetError, type ProblemLog } from './problems.js';
import type { Draft } from './record.js';
import { parseAge, parseSex, parseView } from './values.js';

const required = ['Path', 'Sex', 'Age', 'Frontal/Lateral', 'AP/PA', ...chexpertLabels];
const tables = { train: 'train.csv', validation: 'valid.csv', test: 'test.csv' } as const;

/** `CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg`: relative to the data set's parent. */
const imagePath = /^(?:[^/]+\/)?((?:train|valid|test)\/(patient\d+)\/(study\d+)\/[^/]+)$/;

/** CheXpert v1.0, full and small: `train.csv`, `valid.csv` and the images beside them. */
export function chexpertLayout(root: string, options: ParsedDatasetOptions): Layout {
  return {
    name: 'chexpert',
    hasReports: false,
    describesLabels: true,
    publishedCounts,
    async *drafts(log) {
      let found = false;
      for (const [split, file] of Object.entries(tables)) {
        const path = join(root, file);
        if (!(await isFile(path))) continue;
        found = true;
        yield* readTable({ root, path, split }, options, log);
      }
      if (!found)
        throw datasetError(root, 'expected train.csv or valid.csv of CheXpert, found neither');
    },
  };
}

interface Table {
  readonly root: string;
  readonly path: string;
  readonly split: string;
}

async function* readTable(
  { root, path, split }: Table,
  options: ParsedDatasetOptions,
  log: ProblemLog,
): AsyncGenerator<Draft> {
  const rules = { ...options, notPathologies: ['Support Devices'] };
  for await (const { line, get } of readCsv(path, { required }, log)) {
    const [, relative = '', patient = '', study = ''] = imagePath.exec(get('Path')) ?? [];
    const image = pathInside(root, relative);
    const read = readLabels(chexpertLabels, get);
    if (image === undefined || 'invalid' in read) {
      const message =
        'invalid' in read ? read.invalid : "expected train/patientN/studyN/file as 'Path'";
      log.add({ kind: 'row', path, line, message });
      continue;
    }
    yield {
      keys: { patient, study: `${patient}/${study}`, image: relative },
      source: { path, line },
      imagePaths: [image],
      labels: applyLabelRules(read.labels, rules),
      // A lateral image has no projection.
      view: parseView(get('AP/PA') || get('Frontal/Lateral')),
      split,
      sex: parseSex(get('Sex')),
      age: parseAge(get('Age')) || undefined, // 0 stands for a missing age
    };
  }
}

const labelCounts: Readonly<Record<string, readonly [number, number, number]>> = {
  'No Finding': [22_381, 0, 0],
  'Enlarged Cardiomediastinum': [10_798, 21_638, 12_403],
  Cardiomegaly: [27_000, 11_116, 8_087],
  'Lung Opacity': [105_581, 6_599, 5_598],
  'Lung Lesion': [9_186, 1_270, 1_488],
  Edema: [52_246, 20_726, 12_984],
  Consolidation: [14_783, 28_097, 27_742],
  Pneumonia: [6_039, 2_799, 18_770],
  Atelectasis: [33_376, 1_328, 33_739],
  Pneumothorax: [19_448, 56_341, 3_145],
  'Pleural Effusion': [86_187, 35_396, 11_628],
  'Pleural Other': [3_523, 316, 2_653],
  Fracture: [9_040, 2_512, 642],
  'Support Devices': [116_001, 6_137, 1_079],
};

/** Of the training part, apart from `split validation`. LL and RL, 17 in number, are lateral here. */
const publishedCounts: Readonly<Record<string, number>> = {
  'split train': 223_414,
  'split validation': 234,
  'train: view AP': 161_590,
  'train: view PA': 29_420,
  'train: view lateral': 32_387 + 17,
  ...Object.fromEntries(
    Object.entries(labelCounts).flatMap(([name, counts]) =>
      (['positive', 'negative', 'uncertain'] as const).map((sign, index) => [
        `train: ${name} ${sign}`,
        counts[index] ?? 0,
      ]),
    ),
  ),
};
