import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Dataset } from '../../src/index.js';
import { all, listener, nihRows, nihTree, png, written } from './trees.js';

t.test('images in their folders, binary labels, ages', async (t) => {
  const root = nihTree(t);
  const records = await all(Dataset.nih14(root));
  t.same(
    records.map(({ image }) => image.slice(root.length + 1)),
    [
      'images_001/images/00000001_000.png',
      'images_001/images/00000001_001.png',
      'images_002/images/00000002_000.png',
      'images_002/images/00000003_000.png',
    ],
  );
  t.match(records[0], { view: 'PA', sex: 'M', age: 58 });
  t.match(records[1]?.labels, { Cardiomegaly: 1, Emphysema: 1, Effusion: 0, 'No Finding': 0 });
  t.equal(Object.keys(records[1]?.labels ?? {}).length, 15);
  t.match(records[2], { view: 'AP', age: 81, labels: { 'No Finding': 1, Hernia: 0 } });
  t.equal(records[3]?.age, undefined, '411 is no age');
  t.equal(records[0]?.patient, records[1]?.patient);
  t.not(records[1]?.patient, records[2]?.patient);
  t.equal(records[0]?.split, undefined, 'without its lists there is no split');
  for (const record of records) t.notMatch(written(record), /0000/);
});

t.test('texts', async (t) => {
  const records = await all(Dataset.nih14(nihTree(t)));
  t.equal(records[2]?.text, 'Chest X-ray, AP view, 81 year old male patient without findings.');
  t.match(records[3]?.text, /female patient with infiltration and pleural thickening\.$/);
});

t.test('the published split, and boxes; Infiltrate is Infiltration', async (t) => {
  const root = nihTree(t, nihRows, {
    'test_list.txt': '00000002_000.png\r\n00000003_000.png',
    'BBox_List_2017.csv':
      'Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000003_000.png,Infiltrate,225.0,547.5,86.7,79.1,,,\n00000003_000.png,Mass,1,2,3,4,,,\n00000001_000.png,Cardiomegaly,1,2,x,4,,,\n',
  });
  const { onProblem, places } = listener(root);
  const records = await all(Dataset.nih14(root, { onProblem }));
  t.same(
    records.map(({ split }) => split),
    ['train', 'train', 'test', 'test'],
  );
  t.same(records[3]?.boxes, [
    { label: 'Infiltration', x: 225, y: 547.5, width: 86.7, height: 79.1 },
    { label: 'Mass', x: 1, y: 2, width: 3, height: 4 },
  ]);
  t.equal(records[0]?.boxes, undefined);
  t.same(places(), ['row BBox_List_2017.csv:4']);
});

t.test('a table whose headings are quoted is read too', async (t) => {
  const header = nihRows[0]?.replace(/OriginalImage\[.*/, '"OriginalImage[Width,Height]"') ?? '';
  t.equal((await all(Dataset.nih14(nihTree(t, [header, ...nihRows.slice(1)])))).length, 4);
});

t.test('images in one folder, or in the data set’s own', async (t) => {
  const root = nihTree(t, nihRows, { 'images/00000002_000.png': png, '00000003_000.png': png });
  rmSync(join(root, 'images_002'), { recursive: true });
  const records = await all(Dataset.nih14(root));
  t.same(
    records.slice(2).map(({ image }) => image.slice(root.length + 1)),
    ['images/00000002_000.png', '00000003_000.png'],
  );
});

t.test('problems', async (t) => {
  const rows = [
    ...nihRows,
    '00000004_000.png,Pneumonoultra,0,4,50,F,PA,1,1,1,1',
    '../../../etc/passwd,No Finding,0,4,50,F,PA,1,1,1,1',
    '00000005_000.png,No Finding',
    '00000006_000.png,No Finding,0,6,50,F,PA,1,1,1,1',
  ];
  const root = nihTree(t, rows);
  const { onProblem, places } = listener(root);
  t.equal((await all(Dataset.nih14(root, { onProblem }))).length, 4);
  const table = 'Data_Entry_2017_v2020.csv';
  t.same(places().sort(), [
    `image ${table}:9`,
    `row ${table}:6`,
    `row ${table}:7`,
    `row ${table}:8`,
  ]);
  await t.rejects(all(Dataset.nih14(t.testdir())), { code: 'ERR_DATASET' });
});

t.test('the self-test has the published figures', async (t) => {
  const { ok, counts } = await Dataset.nih14(nihTree(t)).selfTest();
  t.notOk(ok);
  const find = (what: string) => counts.find((each) => each.what === what);
  t.match(find('records'), { expected: 112_120, found: 4 });
  t.match(find('patients'), { expected: 30_805, found: 3 });
  t.match(find('view PA'), { expected: 67_310, found: 3 });
  t.match(find('Cardiomegaly positive'), { expected: 2_776, found: 2 });
  t.match(find('No Finding positive'), { expected: 60_361, found: 1 });
});
