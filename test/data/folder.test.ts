import { join } from 'node:path';
import t from 'tap';
import { Dataset } from '../../src/index.js';
import { sharedData, withoutData } from '../support/golden.js';
import { all, listener, png, texts, writeTree, written } from './trees.js';

const rows = [
  {
    file_name: 'a.png',
    text: 'No effusion.',
    labels: ['Edema'],
    patient_id: 'p1',
    age: 50,
    sex: 'F',
    view: 'PA',
    split: 'train',
  },
  {
    file_name: 'sub/b.png',
    text: 'Effusion.',
    labels: { Edema: 0, Effusion: -1, Mass: null },
    patient_id: 'p1',
    weight: 0.5,
    mask: 'm.png',
    site: 'A',
  },
  { file_name: 'c.png', label: 'Mass', patient_id: 7, age: null, split: 'val' },
];
const images = { 'a.png': png, 'sub/b.png': png, 'c.png': png, 'm.png': png };
const jsonl = (objects: readonly unknown[]) =>
  objects.map((each) => `${JSON.stringify(each)}\n`).join('');

t.test('metadata.jsonl', async (t) => {
  const root = writeTree(t, { 'metadata.jsonl': jsonl(rows), ...images });
  const records = await all(Dataset.folder(root));
  t.match(records[0], {
    image: join(root, 'a.png'),
    text: 'No effusion.',
    labels: { Edema: 1 },
    age: 50,
    sex: 'F',
    view: 'PA',
    split: 'train',
  });
  t.match(records[1], { image: join(root, 'sub/b.png'), weight: 0.5, mask: join(root, 'm.png') });
  t.same(records[1]?.labels, { Edema: 0, Effusion: -1 });
  t.match(records[2], { text: '', labels: { Mass: 1 }, split: 'validation' });
  t.equal(records[0]?.patient, records[1]?.patient);
  t.not(records[0]?.patient, records[2]?.patient);
  for (const record of records) t.notMatch(written(record), /p1|"7"|site/);
  const [, asked] = await all(
    Dataset.folder(root, { columns: ['site', 'nothing'], identifiers: true }),
  );
  t.match(asked, { columns: { site: 'A' }, identifiers: { patient: 'p1', image: 'sub/b.png' } });
});

t.test(
  'metadata.csv, with quotes, lines in a text, a byte order mark and Windows’ line ends',
  async (t) => {
    const table = [
      '\uFEFFfile_name,text,labels,age,sex,weight',
      'a.png,"Heart, enlarged.\r\n\r\nSaid ""again"".",Edema|Mass,61,male,2',
      'sub/b.png,,,,,',
      '',
      'c.png,Plain,Mass,x,Other,',
    ];
    const root = writeTree(t, { 'metadata.csv': table.join('\r\n'), ...images });
    const records = await all(Dataset.folder(root, { strict: true }));
    t.match(records[0], {
      text: 'Heart, enlarged.\n\nSaid "again".',
      labels: { Edema: 1, Mass: 1 },
      age: 61,
      sex: 'M',
      weight: 2,
    });
    t.match(records[1], { text: '', labels: {} });
    t.equal(records[2]?.age, undefined);
    t.equal(records[2]?.sex, undefined);
  },
);

t.test('a folder for each split', async (t) => {
  const root = writeTree(t, {
    'train/metadata.jsonl': jsonl([{ file_name: 'a.png', text: 'one' }]),
    'train/a.png': png,
    'valid/metadata.csv': 'file_name,text\na.png,two\n',
    'valid/a.png': png,
    'other/metadata.csv': 'file_name,text\na.png,three\n',
  });
  const records = await all(Dataset.folder(root));
  t.same(
    records.map(({ split, text }) => [split, text]),
    [
      ['train', 'one'],
      ['validation', 'two'],
    ],
  );
  t.not(records[0]?.id, records[1]?.id, 'files of one name are two images');
  t.not(records[0]?.patient, records[1]?.patient);
});

t.test('rows that cannot be used', async (t) => {
  const bad = [
    '{"file_name": "a.png", ',
    '[]',
    'null',
    '{}',
    '{"file_name": 3}',
    '{"file_name": "../a.png"}',
    '{"file_name": "/etc/passwd"}',
    '{"file_name": "a.png", "mask": "../m.png"}',
    '{"file_name": "a.png", "weight": -1}',
    '{"file_name": "a.png", "text": ["x"]}',
    '{"file_name": "a.png", "labels": {"Edema": 2}}',
    '{"file_name": "nowhere.png"}',
    '{"file_name": "sub"}',
    `{"file_name": "a.png", "text": "${'x'.repeat(2 ** 20)}"}`,
    '',
    '{"file_name": "c.png", "labels": {"__proto__": 1, "Edema": 1}}',
  ];
  const root = writeTree(t, { 'metadata.jsonl': bad.join('\n'), ...images });
  const { onProblem, places, problems } = listener(root);
  const dataset = Dataset.folder(root, { onProblem });
  const records = await all(dataset);
  t.equal(records.length, 1);
  t.equal(records[0]?.labels.Edema, 1);
  t.same(dataset.problems, { rows: 12, images: 2, reports: 0 });
  t.same(
    places().sort((a, b) => Number(a.split(':')[1]) - Number(b.split(':')[1])),
    bad
      .slice(0, 14)
      .map(
        (_, index) => `${[11, 12].includes(index) ? 'image' : 'row'} metadata.jsonl:${index + 1}`,
      ),
  );
  t.match(problems.find(({ line }) => line === 9)?.message, /^weight: expected no negative number/);
  t.match(problems.find(({ line }) => line === 4)?.message, /^file_name: expected a path/);
});

t.test('a stray quote costs its own row and no other', async (t) => {
  const table = [
    'file_name,text',
    'a.png,an "odd" one',
    'a.png,"never closed',
    'a.png,"closed"too early',
    'a.png,5" tube',
    'c.png,"fine, ""this"" one"',
    'sub/b.png,and this',
  ];
  const root = writeTree(t, { 'metadata.csv': `${table.join('\n')}\n`, ...images });
  const { onProblem, places } = listener(root);
  t.same(await texts(Dataset.folder(root, { onProblem })), ['fine, "this" one', 'and this']);
  t.same(
    places(),
    [2, 3, 4, 5].map((line) => `row metadata.csv:${line}`),
  );
});

t.test('no metadata, too much of it, no file_name', async (t) => {
  const error = { code: 'ERR_DATASET' };
  await t.rejects(all(Dataset.folder(writeTree(t, images))), { ...error, message: /found none/ });
  const both = writeTree(t, { 'metadata.jsonl': '{}', 'metadata.csv': 'file_name' });
  await t.rejects(all(Dataset.folder(both)), { ...error, message: /found both/ });
  await t.rejects(all(Dataset.folder(join(both, 'x'))), { ...error, message: /not there/ });
});

t.test('columns that are there twice or missing', async (t) => {
  const twice = writeTree(t, { 'metadata.csv': 'file_name,text,text\n' });
  await t.rejects(all(Dataset.folder(twice)), {
    code: 'ERR_DATASET',
    message: /'text' is there twice/,
  });
});

t.test('a table without file_name', async (t) => {
  const root = writeTree(t, { 'metadata.csv': 'name,text\na.png,x\n' });
  await t.rejects(all(Dataset.folder(root)), { code: 'ERR_DATASET', message: /columns file_name/ });
});

const real = join(sharedData, 'cxr');

t.test('2,095 real radiographs', { skip: withoutData }, async (t) => {
  const dataset = Dataset.folder(real);
  const { records, views, splits, labels, problems } = await dataset.summary();
  t.equal(records, 2_095);
  t.same(views, { AP: 1_258, PA: 837 });
  t.same(Object.keys(splits).sort(), ['test', 'train', 'validation']);
  t.equal(splits.train?.records, 1_676);
  t.equal(labels['COVID-19']?.positive, 213);
  t.same(problems, { rows: 0, images: 0, reports: 0 });
  const patients = new Map<string, string | undefined>();
  for (const { patient, split } of await all(dataset)) {
    t.equal(patients.get(patient) ?? split, split, 'no patient is in two splits');
    patients.set(patient, split);
  }
});
