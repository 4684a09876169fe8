import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

const run = promisify(execFile);
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const library = pathToFileURL(join(root, 'dist/esm/index.js')).href;
const folder = mkdtempSync(join(tmpdir(), 'latentray-'));

/** Runs a program of its own process against the compiled package. */
async function program(name: string, body: string) {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(
    path,
    `import { Worker, isMainThread } from 'node:worker_threads';
import * as latentray from ${JSON.stringify(library)};
const model = ${JSON.stringify(await tinyPipelineFolder())};
const quick = { prompt: 'x', steps: 2, seed: 1, width: 64, height: 64 };
${body}`,
  );
  return run(process.execPath, [path], { timeout: 120_000 });
}

t.test('process.exit during a job is clean', async (t) => {
  for (let i = 0; i < 5; i++) {
    const { stdout, stderr } = await program(
      'exit',
      `const pipeline = await latentray.Pipeline.load(model);
       pipeline.generate({ ...quick, steps: 500 });
       setTimeout(() => { console.log('leaving'); process.exit(0); }, ${50 + 40 * i});`,
    );
    t.equal(stdout, 'leaving\n');
    t.equal(stderr, '');
  }
});

t.test('a job that nobody awaits keeps the process alive until it settles', async (t) => {
  const { stdout } = await program(
    'alive',
    `const a = latentray.Tensor.ones([600, 600]);
     a.matmul(a).then((b) => console.log(b.data()[0]));`,
  );
  t.equal(stdout, '600\n');
});

t.test('an idle process ends', async (t) => {
  const { stdout } = await program('idle', `console.log(latentray.devices()[0].name);`);
  t.equal(stdout, 'cpu\n');
});

t.test('an unhandled rejection is an ordinary one', async (t) => {
  await t.rejects(
    program('unhandled', `latentray.Tensor.ones([2]).matmul(latentray.Tensor.ones([3]));`),
    { code: 1, stderr: /ERR_SHAPE/ },
  );
});

t.test('two workers generate at the same time', async (t) => {
  const { stdout } = await program(
    'workers',
    `import { parentPort } from 'node:worker_threads';
     import { fileURLToPath } from 'node:url';
     if (isMainThread) {
       const workers = [0, 1].map(() => new Worker(fileURLToPath(import.meta.url)));
       const sums = await Promise.all(workers.map((worker) => new Promise((resolve, reject) => {
         worker.on('message', resolve); worker.on('error', reject);
       })));
       console.log(sums[0] === sums[1] && Number.isFinite(sums[0]));
     } else {
       using pipeline = await latentray.Pipeline.load(model);
       const { images } = await pipeline.generate(quick);
       parentPort.postMessage(images[0].data.reduce((sum, value) => sum + value, 0));
     }`.replace('using pipeline', 'const pipeline'),
  );
  t.equal(stdout, 'true\n');
});

t.test('a worker that is terminated during a job takes nobody along', async (t) => {
  const { stdout } = await program(
    'terminate',
    `import { parentPort } from 'node:worker_threads';
     import { fileURLToPath } from 'node:url';
     if (isMainThread) {
       for (let i = 0; i < 4; i++) {
         const worker = new Worker(fileURLToPath(import.meta.url));
         await new Promise((resolve, reject) => { worker.on('message', resolve); worker.on('error', reject); });
         await worker.terminate();
       }
       const pipeline = await latentray.Pipeline.load(model);
       console.log((await pipeline.generate(quick)).images.length);
     } else {
       const pipeline = await latentray.Pipeline.load(model);
       pipeline.generate({ ...quick, steps: 500 });
       setTimeout(() => parentPort.postMessage('busy'), 100);
     }`,
  );
  t.equal(stdout, '1\n');
});

t.test('CommonJS and ES modules share their objects', async (t) => {
  const { stdout } = await program(
    'both',
    `import { createRequire } from 'node:module';
     const cjs = createRequire(import.meta.url)(${JSON.stringify(join(root, 'dist/commonjs/index.js'))});
     const sum = await cjs.Tensor.ones([2]).add(latentray.Tensor.ones([2]));
     console.log(sum.data()[0]);
     try { await cjs.Tensor.ones([2]).matmul(cjs.Tensor.ones([3])); }
     catch (error) { console.log(latentray.LatentrayError.isInstance(error), error.code); }`,
  );
  t.equal(stdout, '2\ntrue ERR_SHAPE\n');
});
