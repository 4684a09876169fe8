import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { madeUpDataset, untrainedClassifier } from '../study/images.js';
import { latentray } from '../support/command-line.js';
import { recipeFolder } from '../support/recipe.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

const folder = t.testdir();
const pipeline = await tinyPipelineFolder();
await madeUpDataset(join(folder, 'data'), 15);
await madeUpDataset(join(folder, 'others'), 6, 'b');
await untrainedClassifier(join(folder, 'classifier'));

const studyOf = (...args: string[]) => latentray(folder, 'study', ...args);
const results = (name: string) =>
  JSON.parse(readFileSync(join(folder, name, 'results.json'), 'utf8'));

t.test('autoencoder', async (t) => {
  const vae = join(await recipeFolder('recipe-sd1'), 'vae');
  const flags = ['--vae', vae, '--dataset', 'drawn=data', '--size', '64', '--examples', '1'];
  const more = ['--random', '--classifier', 'classifier', '-o', 'autoencoder'];
  const { status, stdout, stderr } = await studyOf('autoencoder', ...flags, ...more);
  t.equal(status, 0, stderr);
  t.equal(stdout, 'autoencoder/results.json\nautoencoder/report.html\n');
  const { datasets, randomWeights } = results('autoencoder');
  t.equal(randomWeights, true);
  t.match(datasets, [{ name: 'drawn', images: 10, networks: { labels: [{ label: 'Effusion' }] } }]);
});

t.test('text-encoders', async (t) => {
  const encoder = join(pipeline, 'text_encoder');
  const flags = ['-e', `CLIP=${encoder}`, '--reports', 'data', '--least-positives', '3'];
  const { status, stdout, stderr } = await studyOf(
    'text-encoders',
    ...flags,
    '-o',
    'texts',
    '--json',
  );
  t.equal(status, 0, stderr);
  t.match(JSON.parse(stdout), { study: 'text-encoders', encoders: [{ name: 'CLIP' }] });
  t.match(results('texts'), { study: 'text-encoders' });
});

t.test('fine-tuning', async (t) => {
  writeFileSync(join(folder, 'training.yaml'), 'resolution: 64\nbatchSize: 1\nmaxTrainSteps: 1\n');
  const data = ['--dataset', 'data', '--held-out', 'others', '-c', 'training.yaml', '--random'];
  const prompts = [
    '--prompt',
    'No finding.',
    '--prompt',
    '{ text: Effusion., labels: { Effusion: 1 } }',
  ];
  const size = ['--images-per-prompt', '2', '--steps', '1', '--classifier', 'classifier'];
  const variants = ['--variant', 'none', '--variant', 'lora'];
  const { status, stderr } = await studyOf(
    'fine-tuning',
    ...['-m', pipeline, ...data, ...prompts, ...size, ...variants, '-o', 'tuned'],
  );
  t.equal(status, 0, stderr);
  const found = results('tuned');
  t.match(found.variants, [
    { variant: 'none', trainedSteps: 0 },
    { variant: 'lora', trainedSteps: 1, prompts: [{ images: 2, distances: [{}] }, {}] },
  ]);
  t.match(found.configuration.prompts, [{ text: 'No finding.' }, { labels: { Effusion: 1 } }]);
});

t.test('what is wrong is one line', async (t) => {
  const data = ['--dataset', 'data'];
  const cases: [string[], RegExp][] = [
    [['autoencoder', ...data], /--vae .*not specified/],
    [['autoencoder', ...data, '--vae', 'nowhere'], /^ERR_MODEL_NOT_FOUND/],
    [['autoencoder', '--vae', 'x', '--dataset', 'tables:x'], /^ERR_INVALID_ARG: data set/],
    [
      ['text-encoders', '-e', `x=${pipeline}`, '--reports', 'data', '--section', 'findings'],
      /^ERR_INVALID_ARG: --section/,
    ],
    [['fine-tuning', ...data, '-m', pipeline, '--variant', 'x'], /^ERR_INVALID_ARG: --variant/],
    [
      ['fine-tuning', ...data, '-m', pipeline, '--prompt', '{ text: '],
      /^ERR_INVALID_ARG: --prompt/,
    ],
    [['fine-tuning', ...data, '-m', pipeline, '--inception', 'x.pth'], /^ERR_MODEL_NOT_FOUND/],
  ];
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await studyOf(...args, '-o', 'wrong');
    t.match({ status, stdout, stderr }, { status: 1, stdout: '', stderr: message });
  }
});
