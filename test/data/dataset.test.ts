import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Test } from 'tap';
import t from 'tap';
import { Dataset, Image } from '../../src/index.js';
import {
  all,
  chexpertTree,
  jpeg,
  listener,
  mimicDicomTree,
  nihTree,
  texts,
  writeTree,
} from './trees.js';

/** A folder of made-up records; only two of the images are there. */
function manyRecords(t: Test, count: number, order = (rows: string[]) => rows): string {
  const rows = Array.from({ length: count }, (_, n) =>
    JSON.stringify({
      file_name: `${n}.jpg`,
      text: `text ${n}`,
      patient_id: `patient ${Math.floor(n / 3)}`,
      age: n % 100,
      sex: n % 2 ? 'F' : 'M',
      labels: n % 5 === 0 ? { Edema: 1, Mass: 0 } : { Mass: 1 },
    }),
  );
  return writeTree(t, {
    'metadata.jsonl': `${order(rows).join('\n')}\n`,
    '0.jpg': jpeg,
    '1.jpg': jpeg,
  });
}

const unchecked = { checkImages: false };

t.test('filters: view, split, sex, age, labels', async (t) => {
  const dataset = Dataset.chexpert(chexpertTree(t));
  const ages = async (filter: object) => (await all(dataset.filter(filter))).map(({ age }) => age);
  t.same(await ages({}), [68, undefined, 87, 41, 73]);
  t.same(await ages({ view: 'frontal' }), [68, undefined, 73]);
  t.same(await ages({ view: ['PA', 'lateral'] }), [undefined, 87, 41]);
  t.same(await ages({ split: 'valid' }), [73]);
  t.same(await ages({ split: ['train', 'test'] }), [68, undefined, 87, 41]);
  t.same(await ages({ sex: 'F' }), [68]);
  t.same(await ages({ age: { min: 68, max: 73 } }), [68, 73]);
  t.same(await ages({ age: { max: 41 } }), [41]);
  t.same(await ages({ labels: 'Cardiomegaly' }), [73]);
  t.same(await ages({ labels: ['Cardiomegaly', 'Lung Opacity'] }), [73]);
  t.same(await ages({ labels: { Cardiomegaly: -1, 'Pleural Effusion': 1 } }), [undefined, 87]);
  t.same(await ages({ labels: { toString: 1 } }), []);
  t.same(await ages({ labels: 'Cardiomegaly', sex: 'F' }), [], 'all must hold');
  const chained = dataset.filter({ view: 'frontal' }).filter(({ age }) => (age ?? 0) > 70);
  t.equal((await all(chained)).length, 1);
  t.equal((await all(dataset)).length, 5, 'the data set itself stays as it is');
});

t.test('a sample is the seed’s, whatever order the records are in', async (t) => {
  const dataset = Dataset.folder(manyRecords(t, 3000), unchecked);
  const ten = await texts(dataset.sample(10, { seed: 1 }));
  t.equal(new Set(ten).size, 10);
  t.same(await texts(dataset.sample(10, { seed: 1 })), ten);
  t.same((await texts(dataset.sample(2000, { seed: 1 }))).slice(0, 10), ten, 'samples are nested');
  t.notSame(await texts(dataset.sample(10, { seed: 2 })), ten);
  t.equal((await texts(dataset.sample(5000))).length, 3000);
  const reversed = Dataset.folder(
    manyRecords(t, 3000, (rows) => rows.reverse()),
    unchecked,
  );
  t.same(await texts(reversed.sample(10, { seed: 1 })), ten);
  const women = await all(reversed.filter({ sex: 'F' }).sample(100, { seed: 1 }));
  t.ok(women.every(({ sex }) => sex === 'F'));
});

t.test('each record is sampled as often as any other', async (t) => {
  const dataset = Dataset.folder(manyRecords(t, 100), unchecked);
  const counts = new Map<string, number>();
  for (let seed = 0; seed < 200; ++seed) {
    for (const text of await texts(dataset.sample(20, { seed }))) {
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
  }
  const all = [...counts.values()];
  t.equal(counts.size, 100);
  // 200 draws with a chance of 1 in 5: 40 ± 5.7.
  t.ok(
    Math.min(...all) > 18 && Math.max(...all) < 62,
    `${Math.min(...all)} to ${Math.max(...all)}`,
  );
});

t.test('a record that is there twice is drawn once', async (t) => {
  const root = manyRecords(t, 30, (rows) => [...rows, ...rows]);
  t.equal((await texts(Dataset.folder(root, unchecked).sample(60))).length, 30);
});

t.test('parts of a split share no patient and lose no record', async (t) => {
  const dataset = Dataset.folder(manyRecords(t, 3000), unchecked);
  const parts = dataset.split({ train: 0.8, validation: 0.1, test: 0.1 }, { seed: 3 });
  const patients = new Map<string, string>();
  const sizes: number[] = [];
  for (const [name, part] of Object.entries(parts)) {
    const records = await all(part);
    sizes.push(records.length);
    for (const { patient, split } of records) {
      if (split !== name || (patients.get(patient) ?? name) !== name)
        t.fail('a patient in two parts');
      patients.set(patient, name);
    }
  }
  t.equal(patients.size, 1000);
  t.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    3000,
  );
  t.ok(Math.abs((sizes[0] ?? 0) - 2400) < 150, String(sizes));
  t.same(
    await texts(parts.test),
    await texts(dataset.split({ a: 0.9, test: 0.1 }, { seed: 3 }).test),
  );
  t.notSame(await texts(parts.test), await texts(dataset.split({ a: 0.9, b: 0.1 }, { seed: 4 }).b));
  t.equal((await all(parts.train.filter({ split: 'train' }))).length, sizes[0]);
});

t.test('texts of one’s own', async (t) => {
  const dataset = Dataset.chexpert(chexpertTree(t)).withText(({ labels }) => {
    const found = Object.keys(labels).filter((name) => labels[name] === 1 && name !== 'No Finding');
    return `A photo of a lung x-ray${found.length > 0 ? ` with ${found.join(' and ')}` : ''}`;
  });
  t.equal(
    (await texts(dataset.filter({ labels: 'Pleural Effusion' })))[0],
    'A photo of a lung x-ray with Lung Opacity and Pleural Effusion',
  );
  const wrong = Dataset.chexpert(chexpertTree(t)).withText(() => 1 as unknown as string);
  await t.rejects(all(wrong), { code: 'ERR_INVALID_ARG' });
  const thrown = new Error('mine');
  const broken = dataset.withText(() => {
    throw thrown;
  });
  await t.rejects(all(broken), thrown);
});

t.test('images are decoded and fitted; what is none is told of', async (t) => {
  const root = manyRecords(t, 4);
  writeFileSync(join(root, '2.jpg'), 'no image');
  const { onProblem, places } = listener(root);
  const dataset = Dataset.folder(root, { onProblem });
  const original = await all(dataset.images());
  t.same(
    original.map(({ image, record }) => [image.width, image.height, record.text]),
    [
      [8, 6, 'text 0'],
      [8, 6, 'text 1'],
    ],
  );
  t.same(places(), ['image metadata.jsonl:4', 'image 2.jpg:']);
  t.same(dataset.problems, { rows: 0, images: 2, reports: 0 });
  const [boxed] = await all(dataset.images({ size: 16 }));
  t.ok(boxed?.image instanceof Image);
  t.same([boxed?.image.width, boxed?.image.height, boxed?.image.data[0]], [16, 16, 0], 'letterbox');
  const [cropped] = await all(dataset.images({ size: 16, fit: 'centre-crop' }));
  t.not(cropped?.image.data[0], 0);
  await t.rejects(all(Dataset.folder(root, { strict: true }).images()), { code: 'ERR_DATASET' });
});

t.test('an aborted signal ends a pass with its reason', async (t) => {
  const dataset = Dataset.folder(manyRecords(t, 100), { onProblem: () => {} });
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await t.rejects(dataset.summary({ signal }), reason);
  await t.rejects(all(dataset.images({ signal })), reason);
  await t.rejects(all(dataset.reports({ signal })), reason);
  await t.rejects(Dataset.nih14(nihTree(t)).selfTest({ signal }), reason);
  const controller = new AbortController();
  const later = Dataset.folder(manyRecords(t, 100), unchecked).reports({
    signal: controller.signal,
  });
  await later.next();
  controller.abort(reason);
  await t.rejects(later.next(), reason);
});

t.test('several passes at once do not disturb each other', async (t) => {
  const dataset = Dataset.folder(manyRecords(t, 500), { onProblem: () => {} });
  const [a, b] = await Promise.all([dataset.summary(), dataset.summary()]);
  t.same(a, b);
  t.same(a.problems, { rows: 0, images: 498, reports: 0 });
});

t.test('memory does not grow with the number of records', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const dataset = Dataset.folder(manyRecords(t, 12_000), unchecked);
  const used: number[] = [];
  let count = 0;
  for await (const { id } of dataset) {
    if (++count % 4_000 !== 0 || id === '') continue;
    collect();
    used.push(process.memoryUsage().heapUsed);
  }
  const [first = 0, , last = 0] = used;
  t.ok(last - first < 2 ** 20, `${last - first} bytes more after 12,000 records than after 4,000`);
});

t.test('a pass can be left, and begun again', async (t) => {
  const dataset = Dataset.folder(manyRecords(t, 5000), unchecked);
  for (let n = 0; n < 50; ++n) {
    for await (const { text } of dataset) {
      t.equal(text, 'text 0');
      break;
    }
  }
  t.equal((await texts(dataset)).length, 5000);
});

t.test('where nobody listens, a warning is given once a pass, without a path', async (t) => {
  const warnings: Error[] = [];
  const keep = (warning: Error) => warnings.push(warning);
  process.on('warning', keep);
  t.teardown(() => process.off('warning', keep));
  await all(Dataset.folder(manyRecords(t, 10)));
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(warnings.length, 1);
  t.match(warnings[0], { code: 'LATENTRAY_DATASET', message: /one image cannot/ });
  t.notMatch(warnings[0]?.message, /jpg|\//);
});

t.test('a listener that throws ends the pass', async (t) => {
  const thrown = new Error('mine');
  const dataset = Dataset.folder(manyRecords(t, 10), {
    onProblem: () => {
      throw thrown;
    },
  });
  await t.rejects(all(dataset), thrown);
});

t.test('summary counts as a whole and by split', async (t) => {
  const { splits, ...whole } = await Dataset.chexpert(chexpertTree(t)).summary();
  t.same(whole.views, { AP: 2, PA: 1, lateral: 2 });
  t.same(whole.sexes, { F: 1, M: 3, unknown: 1 });
  t.match(whole, { records: 5, patients: 4, studies: 4 });
  t.same(whole.labels.Cardiomegaly, { positive: 1, negative: 0, uncertain: 2 });
  t.match(splits, { train: { records: 4, patients: 3 }, validation: { records: 1 } });
});

t.test('a sample of reports is one of studies', async (t) => {
  const dataset = Dataset.mimicCxr(mimicDicomTree(t)).sample(3);
  t.equal((await all(dataset)).length, 3);
  t.equal((await all(dataset.reports())).length, 2, 'the third study has no conclusion');
});

t.test('what may not be passed', async (t) => {
  const dataset = Dataset.folder('x');
  const error = { code: 'ERR_INVALID_ARG' };
  for (const root of [undefined, '', 3, null]) {
    for (const load of [
      Dataset.chexpert,
      Dataset.mimicCxr,
      Dataset.nih14,
      Dataset.openI,
      Dataset.folder,
    ]) {
      t.throws(() => load(root as unknown as string), error);
    }
  }
  t.throws(() => Dataset.chexpert('x', { uncertian: 'ones' } as object), error);
  t.throws(() => Dataset.chexpert('x', { uncertain: 'twos' } as object), error);
  t.throws(() => Dataset.chexpert('x', { onProblem: 1 } as object), error);
  t.throws(() => Dataset.mimicCxr('x', { format: 'png' } as object), error);
  t.throws(() => Dataset.openI('x', { section: '' }), error);
  t.throws(() => Dataset.folder('x', { columns: 'a' } as object), error);
  for (const filter of [
    { view: 'front' },
    { views: 'PA' },
    { labels: { Edema: 2 } },
    { age: 3 },
    'PA',
  ]) {
    t.throws(() => dataset.filter(filter as object), error);
  }
  for (const count of [0, -1, 1.5, Number.NaN, '3']) {
    t.throws(() => dataset.sample(count as number), error);
  }
  t.throws(() => dataset.sample(1, { seed: -1 }), error);
  for (const parts of [{}, { a: 0.6, b: 0.6 }, { a: 0 }, { a: Number.NaN }, { a: '1' }]) {
    t.throws(() => dataset.split(parts as Record<string, number>), error);
  }
  t.throws(() => dataset.withText('x' as never), error);
  await t.rejects(all(dataset.images({ size: 0 })), error);
  await t.rejects(all(dataset.images({ fit: 'none' } as object)), error);
  await t.rejects(all(dataset.reports({ sections: 'x' } as object)), error);
  await t.rejects(dataset.summary({ signal: 1 } as object), error);
  await t.rejects(dataset.selfTest(), error, 'a folder has no published figures');
});
