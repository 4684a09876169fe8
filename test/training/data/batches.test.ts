import { execFile } from 'node:child_process';
import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import {
  Image,
  nativeMemory,
  openTrainingData,
  type TrainingBatch,
  type TrainingBatchRequest,
} from '../../../src/index.js';
import { runProgram } from '../../docs/run-program.js';
import { picture } from './training-pictures.js';

const png = await picture(8, 8).toBuffer('png');
const options = { resolution: 8 };
const first = { step: 0, sampleNumbers: [0] };

function* requests(count: number): Generator<TrainingBatchRequest> {
  for (let step = 0; step < count; ++step)
    yield { indices: [step % 2], step, sampleNumbers: [step] };
}

const two = [
  { image: png, text: 'one' },
  { image: png, text: 'two' },
];

t.test('batches come in order, and are asked for as far ahead as is said', async (t) => {
  using data = await openTrainingData(two, options);
  let asked = 0;
  function* counted() {
    for (const request of requests(10)) {
      asked++;
      yield request;
    }
  }
  const steps: number[] = [];
  for await (using batch of data.prefetch(counted(), { ahead: 3 })) {
    steps.push(batch.step);
    t.equal(asked, Math.min(batch.step + 4, 10));
    t.equal(batch.texts[0], batch.step % 2 === 0 ? 'one' : 'two');
  }
  t.same(steps, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  t.same(await toArray(data.prefetch([])), []);
});

async function toArray(batches: AsyncIterable<TrainingBatch>): Promise<TrainingBatch[]> {
  const all = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

t.test('what was decoded for nobody is freed', async (t) => {
  using data = await openTrainingData(two, { resolution: 256 });
  const settled = () => new Promise((resolve) => setTimeout(resolve, 100));
  const before = nativeMemory().bytes;
  for await (using _ of data.prefetch(requests(100), { ahead: 4 })) break;
  await settled();
  t.equal(nativeMemory().bytes, before);
});

t.test('an image that cannot be decoded is the error of its batch, with its id', async (t) => {
  const folder = t.testdir({ 'bad.png': png.subarray(0, 60), 'gone.png': png });
  const samples = [
    ...two,
    { image: join(folder, 'bad.png'), text: '', id: 'bad' },
    { image: Buffer.from('no image'), text: '', id: 'text' },
    { image: join(folder, 'gone.png'), text: '', id: 'gone' },
  ];
  using data = await openTrainingData(samples, options);
  unlinkSync(join(folder, 'gone.png'));
  const where = { step: 0, sampleNumbers: [0, 1, 2] };
  for (const [index, id] of [
    [2, 'bad'],
    [3, 'text'],
    [4, 'gone'],
  ] as const) {
    const expected = { code: 'ERR_IMAGE_DECODE', id, message: new RegExp(`^image '${id}': `) };
    await t.rejects(data.batch([0, index, 1], where), expected);
  }
  const taken: number[] = [];
  const indices = [0, 2, 1].map((index, step) => ({
    indices: [index],
    step,
    sampleNumbers: [step],
  }));
  const reading = (async () => {
    for await (using batch of data.prefetch(indices)) taken.push(batch.step);
  })();
  await t.rejects(reading, { code: 'ERR_IMAGE_DECODE', id: 'bad' });
  t.same(taken, [0], 'the batch before it came');
  using after = await data.batch([0], first);
  t.same(after.ids, ['#0'], 'and other batches go on');
});

t.test('transparent parts are refused, opaque images with opacity are not', async (t) => {
  const rgba = new Uint8Array(4 * 64).fill(255);
  const opaque = new Image({ width: 8, height: 8, channels: 4, data: rgba });
  const holes = rgba.map((value, i) => (i === 7 ? 9 : value));
  const holed = new Image({ width: 8, height: 8, channels: 4, data: holes });
  const samples = [opaque, holed].map((image) => ({ image, text: '' }));
  using data = await openTrainingData(samples, options);
  using batch = await data.batch([0], first);
  t.same(batch.pixels.data(), new Float32Array(192).fill(1));
  await t.rejects(data.batch([1], first), {
    code: 'ERR_INVALID_ARG',
    id: '#1',
    message: /transparent/,
  });
});

t.test('an abort stops a batch with the signal’s reason', async (t) => {
  using data = await openTrainingData([{ image: picture(800, 800), text: '' }], {
    resolution: 512,
  });
  const reason = new Error('enough');
  const indices = new Array<number>(40).fill(0);
  const where = { step: 0, sampleNumbers: indices };
  await t.rejects(data.batch(indices, { ...where, signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const { signal } = controller;
  const batch = data.batch(indices, { ...where, signal });
  const batches = toArray(data.prefetch([{ indices, ...where }], { signal }));
  setTimeout(() => controller.abort(reason), 20);
  await Promise.all([t.rejects(batch, reason), t.rejects(batches, reason)]);
  t.equal((await data.batch([0], first)).pixels.shape[0], 1, 'nothing is damaged');
});

t.test('nothing is decoded after close, and running batches end', async (t) => {
  const data = await openTrainingData([{ image: picture(800, 800), text: '' }], {
    resolution: 512,
  });
  const indices = new Array<number>(40).fill(0);
  const running = data.batch(indices, { step: 0, sampleNumbers: indices });
  t.equal(data.closed, false);
  data.close();
  data.close();
  t.equal(data.closed, true);
  const disposed = { code: 'ERR_DISPOSED' };
  await t.rejects(running, disposed);
  await t.rejects(data.batch([0], first), disposed);
  await t.rejects(toArray(data.prefetch(requests(1))), disposed);
});

t.test('wrong requests', async (t) => {
  using data = await openTrainingData(two, options);
  const wrong: readonly [unknown, unknown][] = [
    [[], { step: 0, sampleNumbers: [] }],
    [[2], first],
    [[-1], first],
    [[0.5], first],
    [['0'], first],
    [undefined, first],
    [[0], { step: 0, sampleNumbers: [0, 1] }],
    [[0], { step: -1, sampleNumbers: [0] }],
    [[0], { step: 2 ** 32, sampleNumbers: [0] }],
    [[0], { step: 0, sampleNumbers: [Number.NaN] }],
    [[0], { step: 0 }],
    [[0], undefined],
    [[0], { ...first, seed: 3 }],
    [[0], { ...first, signal: 'now' }],
  ];
  for (const [indices, where] of wrong) {
    const batch = data.batch(indices as number[], where as typeof first);
    await t.rejects(batch, { code: 'ERR_INVALID_ARG' }, JSON.stringify([indices, where]));
  }
  t.throws(() => data.prefetch(requests(1), { ahead: -1 }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(data.masks([2]), { code: 'ERR_INVALID_ARG' });
});

const program = `
const { Image, openTrainingData } = await (process.env.LATENTRAY_REQUIRE
  ? import('node:module').then(({ createRequire }) => createRequire(import.meta.url)('latentray'))
  : import('latentray'));
const image = new Image({ width: 8, height: 8, channels: 1, data: new Uint8Array(64) });
const data = await openTrainingData([{ image, text: '' }], { resolution: 8 });
const requests = Array.from({ length: 9 }, (_, step) => ({ indices: [0], step, sampleNumbers: [step] }));
const batches = data.prefetch(requests);
const { value } = await batches.next();
console.log(value.pixels.shape.join('x'));
`;

t.test(
  'a process ends by itself with data open and batches waiting, as ESM and CommonJS',
  async (t) => {
    const folder = t.testdir();
    const { stdout } = await runProgram(folder, program);
    t.equal(stdout, '1x3x8x8\n');
    writeFileSync(join(folder, 'program.mjs'), program);
    const env = { ...process.env, LATENTRAY_REQUIRE: '1', LATENTRAY_THREADS: '1' };
    const run = promisify(execFile)(process.execPath, ['program.mjs'], {
      cwd: folder,
      env,
      timeout: 60_000,
    });
    t.equal((await run).stdout, '1x3x8x8\n');
  },
);

const inWorker = `
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { Image, openTrainingData } from 'latentray';
if (isMainThread) {
  const worker = new Worker(fileURLToPath(import.meta.url));
  const [shape] = await once(worker, 'message');
  await worker.terminate(); // while batches are decoded
  console.log(shape);
} else {
  const image = new Image({ width: 900, height: 900, channels: 1, data: new Uint8Array(810000) });
  const data = await openTrainingData([{ image, text: '' }], { resolution: 512 });
  const requests = Array.from({ length: 90 }, (_, step) => ({ indices: [0, 0], step, sampleNumbers: [0, 1] }));
  for await (const batch of data.prefetch(requests)) parentPort.postMessage(batch.pixels.shape.join('x'));
}
`;

t.test('a worker thread decodes, and can be stopped while it does', async (t) => {
  const { stdout } = await runProgram(t.testdir(), inWorker);
  t.equal(stdout, '2x3x512x512\n');
});
