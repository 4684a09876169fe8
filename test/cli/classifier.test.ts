import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  classifierTrainConfig,
  type EvaluateClassifierOptions,
  evaluateClassifier,
} from '../../src/index.js';
import { writeRealFolder } from '../support/augment-data.js';
import { latentray } from '../support/command-line.js';
import { massPicture } from '../support/mass-picture.js';

const small = '{ image_size: 16, embedding_size: 4, hidden_sizes: [4, 8], depths: [1, 1] }';

const rows = (from: number, count: number, split: string, source = 'here') =>
  Array.from({ length: count }, (_, n) => ({
    image: massPicture(from + n, n % 2 === 0),
    labels: n % 2 === 0 ? ['Mass'] : [],
    ...{ split, source, patient_id: `p${from + n}` },
  }));

const folder = t.testdir();
const data = await writeRealFolder(join(folder, 'data'), [
  ...rows(0, 24, 'train'),
  ...rows(100, 12, 'validation'),
  ...rows(200, 16, 'test'),
  ...rows(300, 4, 'test', 'elsewhere'),
]);

const classifier = (...args: string[]) => latentray(folder, 'classifier', ...args);

t.test('train --help has a flag for every option of a file', async (t) => {
  const { stdout, status } = await classifier('train', '--help');
  t.equal(status, 0);
  for (const name of Object.keys(classifierTrainConfig.shape)) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    t.ok(stdout.includes(` --${flag} `), name);
  }
});

t.test('a run and what it is worth on images of the test split', async (t) => {
  const yaml = `dataset: data\nsource: here\noutput: run\nnetwork: ${small}\nepochs: 9\nlearningRate: 0.01\n`;
  writeFileSync(join(folder, 'run.yaml'), `${yaml}absentIsNegative: true\n`);
  const flags = ['-c', 'run.yaml', '--epochs', '4', '--batch-size', '8'];
  const { stdout, stderr, status } = await classifier('train', ...flags);
  t.equal(status, 0, stderr);
  t.match(stderr, /^epoch 0 loss \d\.\d{4}, AUROC \d\.\d{3}, the best so far\n/);
  t.equal(stderr.trim().split('\n').length, 4);
  t.match(stdout, /^best epoch: \d\nvalidation, 12 images, mean AUROC \d\.\d{3}\nMass {2}\d/);
  t.match(stdout, /^test, 16 images.*\nMass {2}\d\.\d{3} \(\d.* to \d.*\) .*8 with, 8 without$/m);
  t.match(stdout, /\nrun\/result\n$/);
  const { options, images } = JSON.parse(readFileSync(join(folder, 'run/run.json'), 'utf8'));
  t.match(options, { epochs: 4, batchSize: 8, learningRate: 0.01 });
  t.same(images, { train: 24, validation: 12, test: 16 });

  const args = ['evaluate', 'run/result', '--dataset', 'data', '--source', 'here'];
  const all = [...args, '--split', 'test', '--absent-is-negative'];
  const table = await classifier(...all);
  t.equal(table.status, 0, table.stderr);
  t.ok(stdout.includes(table.stdout.split('\n')[1] as string), 'as the run said');
  const json = JSON.parse((await classifier(...all, '--json')).stdout);
  t.match(json, { images: 16, labels: [{ label: 'Mass', calibration: { bins: { length: 10 } } }] });

  const again = await classifier('train', ...flags);
  t.match(again, { status: 1, stdout: '', stderr: /^ERR_INVALID_ARG: output: run holds a run/ });
});

t.test('what is wrong is one line', async (t) => {
  const cases: [string[], RegExp][] = [
    [
      ['train', '--dataset', 'data'],
      /^ERR_INVALID_ARG: output: expected it in the file of --config/,
    ],
    [['train', '-o', 'x'], /^ERR_INVALID_ARG: dataset: expected it/],
    [['train', '--dataset', 'data', '-o', 'x', '--epochs', '0'], /^ERR_INVALID_ARG: .*epochs/],
    [['train', '--dataset', 'data', '-o', 'x'], /^ERR_DATASET: labels: expected positives and neg/],
    [['train', '-c', 'none.yaml'], /none\.yaml cannot be read/],
    [['evaluate', 'nowhere', '--dataset', 'data'], /^ERR_MODEL_NOT_FOUND/],
    [['evaluate', 'run/result'], /^ERR_INVALID_ARG: dataset/],
    [['evaluate', 'run/result', '--dataset', 'data', '--split', 'x'], /^ERR_DATASET: .*split 'x'/],
    [['evaluate', 'run/result', '--dataset', 'data', '--source', 'x'], /^ERR_DATASET/],
  ];
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await classifier(...args);
    t.match({ status, stdout, stderr }, { status: 1, stdout: '', stderr: message });
    t.equal(stderr.trim().split('\n').length, 1, stderr);
  }
});

t.test('evaluateClassifier: misuse', async (t) => {
  const given = { classifier: join(folder, 'run/result'), dataset: [] };
  await t.rejects(evaluateClassifier(given), { code: 'ERR_DATASET' });
  for (const more of [{ classifier: '' }, { classifier: {} }, { draws: 1 }, { batchSize: 0.5 }]) {
    const options = { ...given, ...more } as EvaluateClassifierOptions;
    await t.rejects(evaluateClassifier(options), { code: 'ERR_INVALID_ARG' });
  }
  const record = {
    id: 'a',
    patient: 'a',
    image: massPicture(1, true),
    labels: { Mass: 1 } as const,
  };
  const signal = AbortSignal.abort(new Error('enough'));
  await t.rejects(evaluateClassifier({ ...given, dataset: [record], signal }), {
    message: 'enough',
  });
  const one = await evaluateClassifier({ ...given, dataset: [record] });
  t.match(one, { images: 1, meanAuroc: Number.NaN, labels: [{ auroc: { positives: 1 } }] });
  t.ok(existsSync(data));
});
