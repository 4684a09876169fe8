import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Dataset } from '../../src/index.js';
import {
  all,
  listener,
  mimicDicomTree,
  mimicIds,
  mimicJpgTree,
  mimicReports,
  mimicTables,
  texts,
  written,
} from './trees.js';

const study = 'files/p11/p11000001/s51000001';

for (const ending of ['.csv', '.csv.gz']) {
  t.test(`MIMIC-CXR-JPG with ${ending}: paths, views, labels and splits are joined`, async (t) => {
    const root = mimicJpgTree(t, ending);
    const records = await all(Dataset.mimicCxr(root));
    t.equal(records.length, 4);
    t.match(records[0], {
      image: join(root, study, `${mimicIds.first}.jpg`),
      view: 'PA',
      split: 'train',
      labels: { 'No Finding': 1, 'Support Devices': 1 },
    });
    t.match(records[1], { view: 'lateral', labels: records[0]?.labels });
    t.match(records[2], { view: 'AP', split: 'validation' });
    t.same(records[2]?.labels, { Atelectasis: 1, Cardiomegaly: -1, Consolidation: 0 });
    t.match(records[3], { split: 'test', labels: {} });
    t.equal(records[3]?.view, undefined, 'a blank');
    t.equal(records[0]?.study, records[1]?.study);
    t.not(records[1]?.study, records[2]?.study);
    t.equal(records[1]?.patient, records[2]?.patient);
    for (const record of records) {
      t.notMatch(written(record), /1[12]00000|5100000|aa804e/);
      t.equal(record.report, undefined);
    }
  });
}

t.test('the other labeler', async (t) => {
  const root = mimicJpgTree(t);
  const records = await all(Dataset.mimicCxr(root, { labeler: 'negbio' }));
  t.same(records[2]?.labels, { Atelectasis: 0 });
});

t.test('torchxrayvision’s labels: "No Finding" negates Support Devices too', async (t) => {
  const dataset = Dataset.mimicCxr(mimicJpgTree(t), { labelStyle: 'torchxrayvision' });
  const [normal, , uncertain] = await all(dataset);
  t.match(normal?.labels, { 'No Finding': 1, 'Support Devices': 0, Effusion: 0 });
  t.same(uncertain?.labels, { Atelectasis: 1, Consolidation: 0 });
});

t.test('JPG with the reports of another folder: the conclusion is the text', async (t) => {
  const files = Object.entries(mimicReports).map(([name, text]) => [`reports/${name}`, text]);
  const root = mimicJpgTree(t, '.csv', mimicTables, Object.fromEntries(files));
  const options = { reports: join(root, 'reports') };
  t.same(await texts(Dataset.mimicCxr(root, options)), [
    'No acute\n process.',
    'No acute\n process.',
    'Left basal atelectasis.',
    '',
  ]);
  const findings = Dataset.mimicCxr(root, { ...options, section: 'findings' });
  t.same((await texts(findings)).slice(0, 3), [
    'Clear lungs.',
    'Clear lungs.',
    'Left basal atelectasis.',
  ]);
  t.same(await texts(findings.filter({ text: false })), ['']);
  const impressions = await all(Dataset.mimicCxr(root, options).reports({ section: 'impression' }));
  t.same(
    impressions.map(({ text }) => text),
    ['No acute\n process.'],
    'one a study, and only studies that have the section',
  );
  t.equal(impressions[0]?.id, impressions[0]?.study);
});

for (const extension of ['.dcm', '.dcm.gz']) {
  t.test(`MIMIC-CXR with ${extension} files and their reports`, async (t) => {
    const root = mimicDicomTree(t, extension);
    const records = await all(Dataset.mimicCxr(root));
    t.equal(records[0]?.image, join(root, study, mimicIds.first + extension));
    t.match(records[0], { text: 'No acute\n process.', labels: {} });
    t.equal(records[0]?.view, undefined, 'which is in other files');
    const tables = join(root, 'tables');
    const joined = await all(Dataset.mimicCxr(root, { tables }));
    t.match(joined[0], { view: 'PA', split: 'train', labels: { 'No Finding': 1 } });
    t.equal(joined[0]?.image, records[0]?.image);
    t.equal(joined[0]?.id, records[0]?.id);
  });
}

t.test('reports that are missing or are none are told of once, images stay', async (t) => {
  const root = mimicDicomTree(t);
  rmSync(join(root, `${study}.txt`));
  writeFileSync(join(root, 'files/p11/p11000001/s51000002.txt'), Buffer.alloc(2 ** 20 + 1, 'x'));
  const { onProblem, places, problems } = listener(root);
  const dataset = Dataset.mimicCxr(root, { onProblem });
  t.same(await texts(dataset.filter(() => true)), ['', '', '', '']);
  t.same(dataset.problems, { rows: 0, images: 0, reports: 0 }, 'counted where it was read');
  t.same(places(), [
    `report ${study}.txt:`,
    `report ${study}.txt:`,
    'report files/p11/p11000001/s51000002.txt:',
  ]);
  t.match(problems[0]?.message, /could not be read: ENOENT/);
  t.match(problems[2]?.message, /at most 1048576 bytes/);
  t.same(await all(dataset.reports()), []);
  await t.rejects(all(Dataset.mimicCxr(root, { strict: true })), { code: 'ERR_DATASET' });
});

t.test('malformed rows of each table', async (t) => {
  const { metadata, chexpert, split } = mimicTables;
  const root = mimicJpgTree(t, '.csv', {
    ...mimicTables,
    metadata: [
      ...metadata,
      '../../x,11000001,51000001,,PA,,,,,,,',
      `${metadata[1]}`.replace('11000001', '21000001'),
    ],
    chexpert: [...chexpert, '11000001,x,,,,,,,,,,,,,,', '11000001,51000003,?,,,,,,,,,,,,,'],
    split: [...split, `${mimicIds.third},51000003,12000002,sometimes`],
  });
  const { onProblem, places } = listener(root);
  t.equal((await all(Dataset.mimicCxr(root, { onProblem }))).length, 4);
  t.same(places(), [
    'row mimic-cxr-2.0.0-chexpert.csv:4',
    'row mimic-cxr-2.0.0-chexpert.csv:5',
    'row mimic-cxr-2.0.0-split.csv:6',
    'row mimic-cxr-2.0.0-metadata.csv:6',
    'row mimic-cxr-2.0.0-metadata.csv:7',
  ]);
});

t.test('tables that are missing or end early', async (t) => {
  const root = mimicJpgTree(t);
  const dataset = Dataset.mimicCxr(root);
  const table = join(root, 'mimic-cxr-2.0.0-metadata.csv.gz');
  writeFileSync(table, Buffer.from('1f8b0800000000000003', 'hex'));
  await t.rejects(all(dataset), { code: 'ERR_DATASET', path: table, message: /to its end/ });
  writeFileSync(table, 'not gzipped');
  await t.rejects(all(dataset), { code: 'ERR_DATASET', path: table });
  rmSync(join(root, 'mimic-cxr-2.0.0-split.csv.gz'));
  await t.rejects(all(dataset), { code: 'ERR_DATASET', message: /-split\.csv/ });
  rmSync(table);
  await t.rejects(all(dataset), { code: 'ERR_DATASET', message: /metadata table or MIMIC-CXR's/ });
});

t.test('the self-test has the published figures', async (t) => {
  const { ok, counts } = await Dataset.mimicCxr(mimicJpgTree(t)).selfTest();
  t.notOk(ok);
  t.same(counts, [
    { what: 'records', expected: 377_110, found: 4 },
    { what: 'studies', expected: 227_827, found: 3 },
  ]);
});
