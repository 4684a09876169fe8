import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadTensors, trainConfig } from '../../src/index.js';
import { latentray } from '../support/command-line.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';
import { radiographFolder } from '../support/training-run.js';

const pipeline = await tinyPipelineFolder();

const latentrayTrain = (cwd: string, ...args: string[]) => latentray(cwd, 'train', ...args);

const flagName = (name: string) =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

t.test('--help has a flag for every option of a file, with its words and default', async (t) => {
  const { stdout, status } = await latentrayTrain(t.testdir(), '--help');
  t.equal(status, 0);
  const help = stdout.replace(/\s+/g, ' ');
  const names = Object.keys(trainConfig.shape);
  t.ok(names.length > 30);
  for (const name of names) t.ok(help.includes(` ${flagName(name)} `), name);
  t.match(help, '--resolution <n> width and height of the images, in pixels (default: 512)');
  t.match(help, /--precision <name> of the computation: float32, bfloat16, float16/);
});

t.test('a YAML file says how, and flags override it', async (t) => {
  const folder = t.testdir();
  await radiographFolder(join(folder, 'data'));
  const yaml = [
    `pipeline: ${pipeline}`,
    'dataset: data',
    'output: runs/first',
    'method: lora # the attention of the U-Net',
    'lora: { rank: 3 }',
    'resolution: 64',
    'batchSize: 2',
    'learningRate: 1e-3',
    'maxTrainSteps: 100',
    'ema: false',
  ].join('\n');
  writeFileSync(join(folder, 'run.yaml'), yaml);
  const flags = ['--max-train-steps', '2', '--lora', '{ rank: 2 }', '--ema', '--seed', '11'];
  const { stdout, stderr, status } = await latentrayTrain(folder, '-c', 'run.yaml', ...flags);
  t.equal(status, 0, stderr);
  t.equal(stdout, 'runs/first/result\n');
  t.match(stderr, /^step 2\/2 loss \d\.\d+, rate 1\.00e-3, .* images\/s, \d+ MiB, 0 s left$/m);
  const { options } = JSON.parse(readFileSync(join(folder, 'runs/first/run.json'), 'utf8'));
  t.match(options, { maxTrainSteps: 2, learningRate: 1e-3, ema: true, seed: 11, batchSize: 2 });
  const file = join(folder, 'runs/first/result/pytorch_lora_weights.safetensors');
  const down = Object.entries((await loadTensors(file)).tensors).find(([key]) =>
    key.endsWith('lora.down.weight'),
  );
  t.equal(down?.[1].shape[0], 2);

  const again = await latentrayTrain(
    folder,
    ...['-c', 'run.yaml', ...flags, '--max-train-steps', '3', '--resume', 'latest', '--json'],
  );
  t.equal(again.status, 0, again.stderr);
  t.match(JSON.parse(again.stdout), { output: 'runs/first', steps: 3, loss: Number });
});

t.test('a file may replace parts of the pipeline, and flags alone are enough', async (t) => {
  const folder = t.testdir();
  await radiographFolder(join(folder, 'data'));
  const file = join(folder, 'run.json');
  const model = { path: pipeline, textProjection: 'mlp' };
  writeFileSync(file, JSON.stringify({ pipeline: model, dataset: 'data', output: 'projected' }));
  const size = ['--resolution', '64', '--batch-size', '1', '--max-train-steps', '1'];
  const projected = await latentrayTrain(folder, '-c', file, '--method', 'projection', ...size);
  t.equal(projected.status, 0, projected.stderr);
  t.ok(readdirSync(join(folder, 'projected/result')).includes('text_projection'));

  const alone = await latentrayTrain(
    folder,
    ...['--pipeline', pipeline, '--dataset', 'data', '-o', '2026', '--device', 'cpu'],
    ...['--method', 'lora', '--lora', '{ rank: 1 }', '--horizontal-flip', ...size],
  );
  t.equal(alone.status, 0, alone.stderr);
  t.match(JSON.parse(readFileSync(join(folder, '2026/run.json'), 'utf8')), {
    options: { horizontalFlip: true },
  });
});

t.test('what is wrong is one line, and nothing is made', async (t) => {
  const folder = t.testdir({
    'broken.yaml': 'method: [lora',
    'list.yaml': '- lora\n',
    'empty.yaml': '',
    'misspelt.yaml': `pipeline: ${pipeline}\ndataset: data\noutput: run\nlearningrate: 1\n`,
    'no-output.yaml': `pipeline: ${pipeline}\ndataset: data\n`,
  });
  const cases: [args: string[], message: RegExp][] = [
    [['-c', 'none.yaml'], /^ERR_INVALID_ARG: --config: none\.yaml cannot be read \(ENOENT\)\n$/],
    [['-c', 'broken.yaml'], /^ERR_INVALID_ARG: --config: broken\.yaml: .*line 1.*\n$/],
    [['-c', 'list.yaml'], /^ERR_INVALID_ARG: --config: list\.yaml: expected names and values/],
    [['-c', 'empty.yaml'], /^ERR_INVALID_ARG: --config: empty\.yaml: expected names and values/],
    [['-c', 'misspelt.yaml'], /^ERR_INVALID_ARG: train: .*learningrate.*\n$/],
    [['-c', 'no-output.yaml'], /^ERR_INVALID_ARG: output: expected it .* or as --output\n$/],
    [['--method', 'lora'], /^ERR_INVALID_ARG: dataset: expected it .* or as --dataset\n$/],
    [['--lora', '{ rank: 2'], /--lora .*is invalid/],
  ];
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await latentrayTrain(folder, ...args);
    t.match({ status, stdout, stderr }, { status: 1, stdout: '', stderr: message }, args.join(' '));
  }
  t.notOk(existsSync(join(folder, 'run')));
});
