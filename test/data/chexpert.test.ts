import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Dataset } from '../../src/index.js';
import { all, chexpertTree, listener, written } from './trees.js';

for (const parent of ['CheXpert-v1.0', 'CheXpert-v1.0-small']) {
  t.test(`${parent}: images, views, ages and splits`, async (t) => {
    const root = chexpertTree(t, parent);
    const records = await all(Dataset.chexpert(root));
    t.equal(records.length, 5);
    t.match(records[0], {
      image: join(root, 'train/patient00001/study1/view1_frontal.jpg'),
      view: 'AP',
      split: 'train',
      sex: 'F',
      age: 68,
      labels: { 'No Finding': 1, Pneumothorax: 0, 'Support Devices': 1 },
    });
    t.same(
      records.map(({ view }) => view),
      ['AP', 'PA', 'lateral', 'lateral', 'AP'],
    );
    t.equal(records[1]?.age, undefined, '0 stands for no age');
    t.equal(records[3]?.sex, undefined);
    t.same(records[3]?.labels, {}, 'blanks are not mentioned');
    t.equal(records[4]?.split, 'validation');
    t.equal(records[1]?.patient, records[2]?.patient);
    t.equal(records[1]?.study, records[2]?.study);
    t.not(records[0]?.patient, records[1]?.patient);
  });
}

t.test('texts are what the table says', async (t) => {
  const records = await all(Dataset.chexpert(chexpertTree(t)));
  t.same(
    records.map(({ text }) => text),
    [
      'Chest X-ray, AP view, 68 year old female patient with support devices.',
      'Chest X-ray, PA view, male patient with lung opacity and pleural effusion.',
      'Chest X-ray, lateral view, 87 year old male patient with lung opacity and pleural effusion.',
      'Chest X-ray, lateral view, 41 year old patient.',
      'Chest X-ray, AP view, 73 year old male patient with enlarged cardiomediastinum, cardiomegaly and lung opacity.',
    ],
  );
});

t.test('uncertain labels: zeros, ones, ignore', async (t) => {
  const root = chexpertTree(t);
  const labels = async (options: object) => (await all(Dataset.chexpert(root, options)))[1]?.labels;
  const certain = { 'Lung Opacity': 1, Pneumothorax: 0, 'Pleural Effusion': 1 };
  t.same(await labels({}), { ...certain, Cardiomegaly: -1, Edema: -1 });
  t.same(await labels({ uncertain: 'zeros' }), { ...certain, Cardiomegaly: 0, Edema: 0 });
  t.same(await labels({ uncertain: 'ones' }), { ...certain, Cardiomegaly: 1, Edema: 1 });
  t.same(await labels({ uncertain: 'ignore' }), certain);
});

t.test('torchxrayvision’s labels: "No Finding" negates all but Support Devices', async (t) => {
  const dataset = Dataset.chexpert(chexpertTree(t), { labelStyle: 'torchxrayvision' });
  const [normal, uncertain] = await all(dataset);
  t.match(normal?.labels, { 'No Finding': 1, Cardiomegaly: 0, Effusion: 0, 'Support Devices': 1 });
  t.equal(Object.keys(normal?.labels ?? {}).length, 14);
  t.same(uncertain?.labels, { 'Lung Opacity': 1, Pneumothorax: 0, Effusion: 1 });
});

t.test('columns are found by name', async (t) => {
  const swap = (text: string) =>
    text.replaceAll(/^([^,]*),([^,]*),([^,]*),/gm, (_, path, sex, age) => `${age},${sex},${path},`);
  const [record] = await all(Dataset.chexpert(chexpertTree(t, 'CheXpert-v1.0', swap)));
  t.match(record, { age: 68, sex: 'F', view: 'AP' });
});

t.test('identifiers come only when they are asked for', async (t) => {
  const root = chexpertTree(t);
  for (const record of await all(Dataset.chexpert(root))) {
    t.notMatch(written(record), /patient\d|study\d|view\d/);
    t.match(record.id, /^[\da-f]{16}$/);
  }
  const [record] = await all(Dataset.chexpert(root, { identifiers: true }));
  t.same(record?.identifiers, {
    patient: 'patient00001',
    study: 'patient00001/study1',
    image: 'train/patient00001/study1/view1_frontal.jpg',
  });
});

t.test('problems are told with file and line, and counted', async (t) => {
  const root = chexpertTree(t, undefined, (text) =>
    text
      .replace('68,Frontal,AP,1.0', '68,Frontal,AP,2.0')
      .replace('CheXpert-v1.0-small/train/patient00002/study2/view1', '../../etc/passwd')
      .replace(',Unknown,41,', ',Unknown,'),
  );
  rmSync(join(root, 'valid/patient64541/study1/view1_frontal.jpg'));
  const { problems, onProblem, places } = listener(root);
  const dataset = Dataset.chexpert(root, { onProblem });
  t.equal((await all(dataset)).length, 1);
  t.same(places(), ['row train.csv:2', 'row train.csv:3', 'row train.csv:5', 'image valid.csv:2']);
  t.same(dataset.problems, { rows: 3, images: 1, reports: 0 });
  t.match(problems[0]?.message, /'No Finding', found '2\.0'/);
  t.match(problems[2]?.message, /expected 19 fields, found 18/);
  t.match(problems[3]?.image, /view1_frontal\.jpg$/);
  for (const { message } of problems) t.notMatch(message, /patient\d/);
});

t.test('a strict data set rejects at the first problem', async (t) => {
  const root = chexpertTree(t);
  rmSync(join(root, 'train/patient00002/study2/view2_lateral.jpg'));
  const dataset = Dataset.chexpert(root, { strict: true });
  const error = { code: 'ERR_DATASET', path: join(root, 'train.csv'), line: 4, kind: 'image' };
  await t.rejects(all(dataset), error);
  t.equal((await all(Dataset.chexpert(root, { checkImages: false, strict: true }))).length, 5);
});

t.test('a folder that is no CheXpert', async (t) => {
  const root = chexpertTree(t);
  await t.rejects(all(Dataset.chexpert(join(root, 'nowhere'))), { code: 'ERR_DATASET' });
  writeFileSync(join(root, 'train.csv'), 'Path,Sex\n');
  await t.rejects(all(Dataset.chexpert(root)), {
    code: 'ERR_DATASET',
    message: /train\.csv:1: expected the columns Age, Frontal\/Lateral.*, found Path, Sex/,
  });
  writeFileSync(join(root, 'train.csv'), '');
  await t.rejects(all(Dataset.chexpert(root)), { code: 'ERR_DATASET', message: /found no line/ });
});

t.test('no reports', async (t) => {
  await t.rejects(all(Dataset.chexpert(chexpertTree(t)).reports()), { code: 'ERR_INVALID_ARG' });
});

t.test('the self-test says what differs from the published figures', async (t) => {
  const { ok, counts } = await Dataset.chexpert(chexpertTree(t)).selfTest();
  t.notOk(ok);
  const found = new Map(counts.map((each) => [each.what, each]));
  t.same(found.get('split train'), { what: 'split train', expected: 223_414, found: 4 });
  t.same(found.get('split validation'), { what: 'split validation', expected: 234, found: 1 });
  t.match(found.get('train: view AP'), { expected: 161_590, found: 1 });
  t.match(found.get('train: view lateral'), { expected: 32_404, found: 2 });
  t.match(found.get('train: Cardiomegaly uncertain'), { expected: 8_087, found: 2 });
  t.match(found.get('train: Pleural Effusion positive'), { expected: 86_187, found: 2 });
  t.equal(counts.length, 5 + 14 * 3);
});
