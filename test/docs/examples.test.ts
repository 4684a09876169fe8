import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Image, readProvenance } from '../../src/index.js';
import { packageRoot } from '../../src/native/package-root.js';
import { runProgram } from './run-program.js';
import { ramp, sampleFolder } from './sample-files.js';

const examples = join(packageRoot, 'examples');
const pipeline = join('models', 'stable-diffusion');

function run(folder: string, name: string, ...args: string[]) {
  return runProgram(folder, readFileSync(join(examples, name), 'utf8'), args);
}

t.test('generate.ts writes an image for each prompt', async (t) => {
  const folder = await sampleFolder(t);
  const long = 'effusion '.repeat(100);
  const { stdout, stderr } = await run(folder, 'generate.ts', pipeline, 'out', 'x-ray', long);
  t.match(stdout, /^out\/seed-0\.png: x-ray\nout\/seed-1\.png: effusion/);
  t.match(stderr, /denoise 25\/25\n/);
  t.match(stderr, /"effusion.*was cut/);
  t.match(await readProvenance(join(folder, 'out/seed-1.png')), { prompt: long, seed: 1n });
});

t.test('embed.ts prints cosine similarities', async (t) => {
  const folder = await sampleFolder(t);
  const encoder = join(pipeline, 'text_encoder');
  const texts = ['No effusion.', 'No effusion.', 'Cardiomegaly with bibasilar atelectasis'];
  const { stdout } = await run(folder, 'embed.ts', encoder, ...texts);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => line.split('  ').slice(0, 3).map(Number));
  for (const [row, values] of rows.entries()) {
    t.equal(values[row], 1, 'a text is itself');
    for (const [column, value] of values.entries()) {
      t.ok(Math.abs(value) <= 1);
      t.equal(value, rows[column]?.[row]);
    }
  }
  t.equal(rows[0]?.[1], 1, 'padding does not count');
  t.ok((rows[0]?.[2] ?? 1) < 1);
});

t.test('reconstruct.ts writes a sheet', async (t) => {
  const folder = await sampleFolder(t);
  await ramp(80, 40).save(join(folder, 'wide.png'));
  const vae = join(pipeline, 'vae');
  const files = ['radiographs/frontal.png', 'wide.png'];
  const { stdout } = await run(folder, 'reconstruct.ts', vae, 'sheet.png', ...files);
  t.match(stdout, /^frontal\.png +-?\d+\.\d\d dB +SSIM -?[01]\.\d{4}\nwide\.png /);
  t.match(await Image.read(join(folder, 'sheet.png')), { channels: 3, width: 800 });
});

t.test('benchmark.ts prints a rate', async (t) => {
  const { stdout } = await run(await sampleFolder(t), 'benchmark.ts', pipeline, '4', '1');
  t.match(stdout, /^\d+\.\d{3} steps\/s: latents 1×4×8×8, float32, cpu, 1 threads/);
});

t.test('custom-loop.ts arrives at the pipeline’s latents', async (t) => {
  const folder = await sampleFolder(t);
  const { stdout } = await run(folder, 'custom-loop.ts', pipeline, 'loop.png');
  const [, difference] = /^relative difference (\S+)\n$/.exec(stdout) ?? [];
  t.ok(Number(difference) <= 1e-5, `relative difference ${difference}`);
  t.match(await readProvenance(join(folder, 'loop.png')), { software: 'custom-loop' });
});

t.test('custom-scheduler.ts is our Euler', async (t) => {
  const { stdout } = await run(await sampleFolder(t), 'custom-scheduler.ts', pipeline);
  const [, difference] = /^relative difference (\S+)\n$/.exec(stdout) ?? [];
  t.ok(Number(difference) <= 1e-5, `relative difference ${difference}`);
});

t.test('image-to-image.ts writes variations', async (t) => {
  const folder = await sampleFolder(t);
  const file = join('radiographs', 'frontal.png');
  const { stdout } = await run(folder, 'image-to-image.ts', pipeline, file, 'out', 'effusion');
  t.match(stdout, /^strength 0\.2, seed 1: -?\d+\.\d dB to the original\n/);
  t.equal(stdout.trim().split('\n').length, 6);
  const made = await readProvenance(join(folder, 'out/strength-0.5-seed-2.png'));
  t.match(made, { synthetic: true, seed: 2n, settings: { strength: 0.5 } });
});

t.test('an example without arguments says what it wants', async (t) => {
  const usage = { code: 1, stderr: /usage: generate\.ts/ };
  await t.rejects(run(t.testdir(), 'generate.ts'), usage);
});
