import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Image, readProvenance } from '../../src/index.js';
import { packageRoot } from '../../src/native/package-root.js';
import { readSet, smallRealFolder } from '../support/augment-data.js';
import { runProgram, startProgram } from './run-program.js';
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

t.test('retrieve.ts finds the text itself first', async (t) => {
  const folder = await sampleFolder(t);
  const texts = ['No effusion.', 'Cardiomegaly with atelectasis.', 'Left apical pneumothorax.'];
  writeFileSync(join(folder, 'reports.txt'), texts.join('\n'));
  const args = [join(pipeline, 'text_encoder'), 'reports.txt', texts[1] as string, '2'];
  const { stdout } = await run(folder, 'retrieve.ts', ...args);
  t.match(stdout, /^1\.000 {2}Cardiomegaly with atelectasis\.\n-?[01]\.\d{3} {2}\S.*\n$/);
});

t.test('augment.ts makes a set and mixes it with the real images', async (t) => {
  const folder = await sampleFolder(t);
  await smallRealFolder(join(folder, 'real'));
  const { stdout, stderr } = await run(folder, 'augment.ts', pipeline, 'real', 'set', '2', '64');
  t.match(stdout, /^Mass: \d of 2 images, \d+ attempts rejected\n/);
  t.match(stdout, /step 1: pixels 4×3×64×64/);
  t.match(stderr, /generating 2\/2, [\d.]+ a second, 0 s left\n/);
  for (const { synthetic, class: label } of await readSet(join(folder, 'set'))) {
    t.match({ synthetic, label }, { synthetic: true, label: 'Mass' });
  }
});

t.test('fine-tune.ts trains, goes on, and makes an image', async (t) => {
  const folder = await sampleFolder(t);
  await smallRealFolder(join(folder, 'real'));
  const args = [pipeline, 'real', 'run'];
  const first = await run(folder, 'fine-tune.ts', ...args, '2', '64');
  t.match(first.stdout, /^run\/result: loss \d+\.\d{4}\n$/);
  const second = await run(folder, 'fine-tune.ts', ...args, '3', '64');
  t.notMatch(second.stderr, /step 2\/3/, 'goes on');
  t.match(second.stderr, /step 3\/3, loss /);
  const made = await readProvenance(join(folder, 'run/sample.png'));
  t.match(made, { synthetic: true, settings: { lora: [{ scale: 1 }] } });
});

t.test(
  'server.ts answers in turn, sends away, forgets who hangs up, and ends in peace',
  async (t) => {
    const folder = await sampleFolder(t);
    const source = readFileSync(join(examples, 'server.ts'), 'utf8');
    const server = startProgram(folder, source, [pipeline, '0', '1']);
    t.teardown(() => server.kill('SIGKILL'));
    const lines: string[] = [];
    const output = createInterface({ input: server.stdout as NodeJS.ReadableStream });
    output.on('line', (line) => lines.push(line));
    const [address = ''] = (await once(output, 'line')) as string[];
    const ask = (body: object, signal?: AbortSignal) =>
      fetch(`${address}/images`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: 'x-ray', width: 64, height: 64, ...body }),
        signal: signal ?? null,
      });
    const until = async (wanted: object) => {
      while (
        JSON.stringify(await (await fetch(`${address}/status`)).json()) !== JSON.stringify(wanted)
      ) {
        await sleep(2);
      }
    };
    const made = await ask({ steps: 2, seed: 5 });
    t.equal(made.headers.get('x-seed'), '5');
    const provenance = await readProvenance(new Uint8Array(await made.arrayBuffer()));
    t.match(provenance, { synthetic: true, prompt: 'x-ray', seed: 5n });
    t.equal((await ask({ steps: 0 })).status, 400);
    t.equal((await ask({ prompts: 'misspelt', prompt: undefined })).status, 400);

    const long = new AbortController();
    const first = ask({ steps: 100 }, long.signal).catch((error) => error.name);
    const waits = new AbortController();
    await sleep(50);
    const second = ask({ steps: 2 }, waits.signal).catch((error) => error.name);
    await until({ waiting: 1, full: true });
    const third = await ask({ steps: 2 });
    t.equal(third.status, 503);
    t.ok(Number(third.headers.get('retry-after')) >= 1);
    waits.abort();
    t.equal(await second, 'AbortError');
    await until({ waiting: 0, full: false });
    const fourth = ask({ steps: 1, seed: 6 });
    await until({ waiting: 1, full: true });
    long.abort();
    t.equal(await first, 'AbortError');
    t.equal((await fourth).headers.get('x-seed'), '6', 'the queue goes on');
    t.equal(lines.filter((line) => line === 'cancelled').length, 2);

    const last = ask({ steps: 20, seed: 7 });
    await sleep(100);
    server.kill('SIGTERM');
    t.equal((await last).status, 200, 'what was begun ends');
    const [code] = await once(server, 'exit');
    t.equal(code, 0);
    t.equal(lines.at(-1), 'closed');
  },
);

t.test('an example without arguments says what it wants', async (t) => {
  const usage = { code: 1, stderr: /usage: generate\.ts/ };
  await t.rejects(run(t.testdir(), 'generate.ts'), usage);
});
