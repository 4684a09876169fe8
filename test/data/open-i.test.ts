import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Dataset } from '../../src/index.js';
import { sharedData, withoutData } from '../support/golden.js';
import { all, listener, openIReport, openITree, png, texts, written } from './trees.js';

t.test('one record for each image, in the order of the reports’ numbers', async (t) => {
  const root = openITree(t);
  const records = await all(Dataset.openI(root));
  t.same(
    records.map(({ image }) => image.slice(root.length + 1)),
    [
      'NLMCXR_png/CXR1_1_IM-0001-3001.png',
      'NLMCXR_png/CXR1_1_IM-0001-4001.png',
      'NLMCXR_png/CXR2_IM-0652-1001.png',
    ],
  );
  t.same(records[0]?.report, {
    conclusion: 'No acute disease.',
    sections: {
      comparison: 'None.',
      findings: 'Heart size is normal & lungs are clear.',
      impression: 'No acute disease.',
    },
  });
  t.same(
    records.map(({ text }) => text),
    ['No acute disease.', 'No acute disease.', 'Base atelectasis.'],
  );
  t.equal(records[0]?.study, records[1]?.study);
  t.not(records[0]?.id, records[1]?.id);
  t.equal(records[0]?.view, undefined);
  for (const record of records) t.notMatch(written(record), /CXR\d/);
});

t.test(
  'labels are torchxrayvision’s: words of the automatic terms, with their synonyms',
  async (t) => {
    const records = await all(Dataset.openI(openITree(t)));
    const positive = records.map(({ labels }) =>
      Object.keys(labels).filter((name) => labels[name] === 1),
    );
    t.same(positive[0], ['No Finding']);
    t.same(positive[2]?.sort(), [
      'Atelectasis',
      'Cardiomegaly',
      'Infiltration',
      'Pleural_Thickening',
    ]);
    t.equal(Object.keys(records[2]?.labels ?? {}).length, 19);
  },
);

t.test('reports without an image are reports all the same', async (t) => {
  const dataset = Dataset.openI(openITree(t));
  t.same(
    (await all(dataset.reports())).map(({ text }) => text),
    ['No acute disease.', 'Base atelectasis.', 'No image.'],
  );
  t.same(
    (await all(dataset.reports({ section: 'findings' }))).map(({ text }) => text),
    ['Heart size is normal & lungs are clear.', 'Base atelectasis.'],
  );
  t.same(await texts(Dataset.openI(openITree(t), { section: 'findings' })), [
    'Heart size is normal & lungs are clear.',
    'Heart size is normal & lungs are clear.',
    'Base atelectasis.',
  ]);
  t.same(dataset.problems, { rows: 0, images: 0, reports: 0 });
});

t.test('images of a folder of their own', async (t) => {
  const root = openITree(t, { 'elsewhere/CXR2_IM-0652-1001.png': png });
  const dataset = Dataset.openI(root, { images: join(root, 'elsewhere'), onProblem: () => {} });
  t.equal((await all(dataset)).length, 1);
  t.same(dataset.problems, { rows: 0, images: 2, reports: 0 });
});

t.test('reports that are none, and images with names that lead elsewhere', async (t) => {
  const laughs =
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>\n<x>&b;</x>';
  const root = openITree(t, {
    'ecgen-radiology/3.xml': '<eCitation>\n  <uId id="CXR3"/>\n  <MeSH>\n</eCitation>',
    'ecgen-radiology/4.xml': laughs,
    'ecgen-radiology/5.xml': '<eCitation></eCitation>',
    'ecgen-radiology/6.xml': '<a>'.repeat(1000),
    'ecgen-radiology/7.xml': openIReport(7, { images: ['../../CXR7'] }),
    'ecgen-radiology/8.xml': '',
  });
  const { onProblem, places, problems } = listener(root);
  const dataset = Dataset.openI(root, { onProblem });
  t.equal((await all(dataset)).length, 3);
  t.same(places(), [
    'report ecgen-radiology/3.xml:4',
    'report ecgen-radiology/4.xml:2',
    'report ecgen-radiology/5.xml:',
    'report ecgen-radiology/6.xml:',
    'report ecgen-radiology/7.xml:',
    'report ecgen-radiology/8.xml:1',
  ]);
  t.match(problems[1]?.message, /entity/);
  t.equal(dataset.problems.reports, 6);
  await t.rejects(all(Dataset.openI(root, { strict: true })), { code: 'ERR_DATASET', line: 4 });
  await t.rejects(all(Dataset.openI(t.testdir())), { code: 'ERR_DATASET', message: /no \.xml/ });
});

t.test('the self-test has the published figures', async (t) => {
  const { ok, counts } = await Dataset.openI(openITree(t)).selfTest();
  t.notOk(ok);
  t.same(counts, [
    { what: 'records', expected: 7_470, found: 3 },
    { what: 'reports', expected: 3_955, found: 3 },
    { what: 'reports without an image', expected: 104, found: 1 },
    { what: 'reports with findings', expected: 3_425, found: 2 },
    { what: 'reports with impression', expected: 3_921, found: 2 },
  ]);
});

const real = join(sharedData, 'reports/openi-cc-by-nc-nd');

t.test('300 published reports', { skip: withoutData }, async (t) => {
  const dataset = Dataset.openI(real);
  const reports = await all(dataset.reports());
  t.equal(reports.length, readdirSync(real).length);
  t.ok(reports.every(({ text, report }) => text === report?.sections.impression));
  t.equal(reports.filter(({ labels }) => labels['No Finding'] === 1).length, 99);
  t.same(dataset.problems, { rows: 0, images: 0, reports: 0 });
});
