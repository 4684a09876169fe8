// Whatever stands in a data set's files, it is read or left out.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Test } from 'tap';
import t from 'tap';
import { parseOpenIReport } from '../../src/data/open-i-report.js';
import { Dataset, type DatasetOptions, parseReport } from '../../src/index.js';
import {
  chexpertTree,
  mimicJpgTree,
  mimicReports,
  nihTree,
  openITree,
  writeTree,
} from '../data/trees.js';
import { mutatedBytes, mutatedText, surviveMutations } from '../support/mutations.js';

type Load = (options: DatasetOptions) => Dataset;

/** Reads a data set twice: leaving out what is broken, and stopping there. */
async function readTwice(load: Load): Promise<void> {
  const ignored = () => {};
  for (const strict of [false, true]) {
    for await (const { text } of load({ strict, onProblem: ignored, checkImages: false }))
      text.trim();
  }
}

interface Table<Content extends string | Buffer> {
  readonly path: string;
  readonly load: Load;
  readonly mutations: fc.Arbitrary<Content>;
  readonly sharedBy?: number;
}

async function survives<Content extends string | Buffer>(t: Test, table: Table<Content>) {
  const { load, ...file } = table;
  await surviveMutations(t, { ...file, codes: ['ERR_DATASET'], read: () => readTwice(load) });
}

/** Whole files, headings and compression included; rows are changed below, many in one file. */
const sharedBy = 40;

/** 10,000 changed rows, a hundred in a file, are each read or told of. */
async function survivesRows(t: Test, path: string, load: Load): Promise<void> {
  const [header = '', ...rows] = readFileSync(path, 'utf8').trimEnd().split('\n');
  const isTable = path.endsWith('.csv');
  const row = fc.constantFrom(...(isTable ? rows : [header, ...rows])).chain(mutatedText);
  const counts = { read: 0, leftOut: 0 };
  const onProblem = () => counts.leftOut++;
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 100, maxLength: 100 }), async (changed) => {
      writeFileSync(path, [...(isTable ? [header] : []), ...changed].join('\n'));
      for await (const { text } of load({ onProblem, checkImages: false })) {
        counts.read++;
        text.trim();
      }
    }),
    { numRuns: 100, seed: 20261127 },
  );
  t.ok(counts.read > 1000 && counts.leftOut > 1000, JSON.stringify(counts));
}

const folderTable = `file_name,text,labels,age,weight
a.png,"Heart, enlarged: said ""again"".",Edema|Mass,61,2
b.png,Plain,Mass,,
c.png,"Quoted",,5,1
`;

const folderLines = [
  { file_name: 'a.png', text: 'x', labels: ['Edema'], age: 3, split: 'val', weight: 1 },
  { file_name: 'b.png', labels: { Edema: 1, Mass: -1 }, patient_id: 4, mask: 'm.png' },
];

const mimicTable = (name: string) => `mimic-cxr-2.0.0-${name}.csv`;

const tables: Readonly<
  Record<
    string,
    (t: Test) => { root: string; file: string; dataset: (root: string, o: object) => Dataset }
  >
> = {
  'CheXpert’s table': (t) => ({
    root: chexpertTree(t),
    file: 'train.csv',
    dataset: Dataset.chexpert,
  }),
  'ChestX-ray14’s table': (t) => ({
    root: nihTree(t),
    file: 'Data_Entry_2017_v2020.csv',
    dataset: Dataset.nih14,
  }),
  'MIMIC-CXR’s images': (t) => ({
    root: mimicJpgTree(t, '.csv'),
    file: mimicTable('metadata'),
    dataset: Dataset.mimicCxr,
  }),
  'MIMIC-CXR’s labels': (t) => ({
    root: mimicJpgTree(t, '.csv'),
    file: mimicTable('chexpert'),
    dataset: Dataset.mimicCxr,
  }),
  'metadata.csv': (t) => ({
    root: writeTree(t, { 'metadata.csv': folderTable }),
    file: 'metadata.csv',
    dataset: Dataset.folder,
  }),
  'metadata.jsonl': (t) => ({
    root: writeTree(t, {
      'metadata.jsonl': folderLines.map((line) => JSON.stringify(line)).join('\n'),
    }),
    file: 'metadata.jsonl',
    dataset: Dataset.folder,
  }),
};

for (const [name, make] of Object.entries(tables)) {
  t.test(name, async (t) => {
    const { root, file, dataset } = make(t);
    const path = join(root, file);
    const load = (options: DatasetOptions) => dataset(root, options);
    const original = readFileSync(path, 'utf8');
    const rowsAreRecords = file !== mimicTable('chexpert');
    if (rowsAreRecords) await survivesRows(t, path, load);
    await survives(t, { path, mutations: mutatedText(original), sharedBy, load });
  });
}

t.test('a compressed table', async (t) => {
  const root = mimicJpgTree(t);
  const path = join(root, 'mimic-cxr-2.0.0-metadata.csv.gz');
  const mutations = mutatedBytes(readFileSync(path));
  await survives(t, { path, mutations, sharedBy: 20, load: (o) => Dataset.mimicCxr(root, o) });
});

t.test('Open-i’s reports, in their files', async (t) => {
  const root = openITree(t);
  const path = join(root, 'ecgen-radiology/2.xml');
  const mutations = mutatedText(readFileSync(path, 'utf8'));
  await survives(t, { path, mutations, sharedBy, load: (o) => Dataset.openI(root, o) });
});

t.test('Open-i’s reports: each is read, or an error that says where', async (t) => {
  const root = openITree(t);
  const original = readFileSync(join(root, 'ecgen-radiology/2.xml'), 'utf8');
  const counts = { read: 0, refused: 0 };
  fc.assert(
    fc.property(mutatedText(original), (xml) => {
      try {
        counts.read += parseOpenIReport(xml).id === '' ? 0 : 1;
      } catch (error) {
        if (!/^\d+:\d+: |^expected eCitation|^nested/.test((error as Error).message)) throw error;
        counts.refused++;
      }
    }),
    { numRuns: 10_000, seed: 20261127 },
  );
  t.ok(counts.read > 500 && counts.refused > 500, JSON.stringify(counts));
});

t.test('reports of MIMIC-CXR’s form: no text is refused', async (t) => {
  const [report = ''] = Object.values(mimicReports);
  fc.assert(
    fc.property(mutatedText(report), (text) => {
      const { conclusion, sections } = parseReport(text);
      return conclusion === '' || Object.values(sections).includes(conclusion);
    }),
    { numRuns: 10_000, seed: 20261127 },
  );
  t.pass();
});
