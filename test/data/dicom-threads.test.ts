import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import type { DecodeSettings } from '../../src/data/dicom/decode.js';
import { decodeInThread } from '../../src/data/dicom/decoder-threads.js';
import { Image, readDicom } from '../../src/index.js';
import { runProgram } from '../docs/run-program.js';
import { dicomFile } from '../support/dicom-files.js';

const side = 1024;

t.test('a path, a URL, bytes and a part of other bytes', async (t) => {
  const file = dicomFile();
  const path = join(t.testdir(), 'image.dcm');
  writeFileSync(path, file);
  const around = Buffer.concat([Buffer.alloc(7), file, Buffer.alloc(9)]);
  const expected = Array.from((await readDicom(file)).pixels);
  for (const source of [path, pathToFileURL(path), around.subarray(7, 7 + file.length)]) {
    t.same(Array.from((await readDicom(source)).pixels), expected);
  }
  t.equal(file.length, dicomFile().length, 'the caller keeps its bytes');
  t.ok(file.equals(dicomFile()));
});

t.test('many at a time, more than there are threads', async (t) => {
  const images = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      readDicom(dicomFile({ pixelData: [i, 0, 0, 0, 0, 0, 0, 0] }), { values: 'stored' }),
    ),
  );
  t.same(
    images.map(({ pixels }) => pixels[0]),
    [...images.keys()],
  );
});

t.test('broken files beside good ones', async (t) => {
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      readDicom(i % 2 === 0 ? dicomFile() : dicomFile().subarray(0, 200)),
    ),
  );
  const expected = results.map((_, i) => (i % 2 === 0 ? 'fulfilled' : 'rejected'));
  t.same(
    results.map(({ status }) => status),
    expected,
  );
});

t.test('a decoder that does not end is stopped, and the next file has another', async (t) => {
  const pixelData = Buffer.alloc(8 * side * side * 2, 7);
  const source = dicomFile({ rows: 8 * side, columns: side, pixelData });
  const settings: DecodeSettings = {
    values: 'display',
    window: 'file',
    frame: 0,
    identifiers: false,
    maxPixels: 100_000_000,
  };
  const request = { source, settings };
  const startedAt = performance.now();
  // Shorter than such a file takes, and than a thread takes to begin.
  const tries = Array.from({ length: 6 }, () => decodeInThread(request, undefined, 2));
  for (const result of await Promise.allSettled(tries)) {
    t.match(result, {
      status: 'rejected',
      reason: { code: 'ERR_DICOM_DECODE', message: /ended, or took longer than 0\.002 seconds/ },
    });
  }
  t.ok(performance.now() - startedAt < 20_000);
  t.equal((await decodeInThread(request)).width, side, 'the threads are replaced');
});

t.test('signals', async (t) => {
  const reason = new Error('enough');
  await t.rejects(readDicom(dicomFile(), { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const waiting = Array.from({ length: 8 }, () =>
    readDicom(dicomFile(), { signal: controller.signal }),
  );
  controller.abort(reason);
  for (const result of await Promise.allSettled(waiting)) {
    t.equal(result.status === 'rejected' && result.reason, reason);
  }
  t.equal((await readDicom(dicomFile())).width, 4, 'the threads are still of use');
});

t.test('wrong arguments', async (t) => {
  const file = dicomFile();
  // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
  const wrong = (source: any, options?: any) => () => readDicom(source, options);
  for (const attempt of [
    wrong(undefined),
    wrong(''),
    wrong(7),
    wrong(file, { window: 'bright' }),
    wrong(file, { window: { center: Number.NaN, width: 1 } }),
    wrong(file, { window: { center: 1, width: 0 } }),
    wrong(file, { window: { center: 1, width: 0.5 } }),
    wrong(file, { values: 'raw' }),
    wrong(file, { frame: -1 }),
    wrong(file, { frame: 0.5 }),
    wrong(file, { frames: 0 }),
    wrong(file, { maxPixels: 0 }),
    wrong(file, { identifiers: 'yes' }),
  ]) {
    await t.rejects(attempt, { code: 'ERR_INVALID_ARG' });
  }
});

t.test('paths that are no DICOM files', async (t) => {
  const folder = t.testdir({ 'text.dcm': 'not an image, and long enough to look into' });
  const text = join(folder, 'text.dcm');
  for (const path of [folder, text, join(folder, 'missing.dcm'), '/dev/zero']) {
    const refusal = { code: 'ERR_DICOM_DECODE', path };
    await t.rejects(readDicom(path), refusal);
  }
  await t.rejects(readDicom(text), { message: new RegExp(`^${text}: this is no DICOM file`) });
});

t.test('Image.read takes .dcm files, with 16 bits', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'image.DCM');
  writeFileSync(path, dicomFile({ photometric: 'MONOCHROME1' }));
  const image = await Image.read(path);
  t.match(image, { width: 4, height: 2, channels: 1, bitDepth: 16 });
  t.same(
    image.data,
    Image.fromPixels((await readDicom(path)).pixels, {
      width: 4,
      height: 2,
      channels: 1,
      bitDepth: 16,
    }).data,
  );
  await image.save(join(folder, 'image.png'));
  t.same((await Image.read(join(folder, 'image.png'))).data, image.data);
  writeFileSync(path, 'no image');
  await t.rejects(Image.read(path), { code: 'ERR_DICOM_DECODE', path });
});

t.test('the event loop goes on meanwhile', async (t) => {
  const file = dicomFile({
    rows: 8 * side,
    columns: side,
    pixelData: Buffer.alloc(8 * side * side * 2, 7),
  });
  await readDicom(dicomFile());
  let longest = 0;
  let ticks = 0;
  let before = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - before);
    before = performance.now();
    ticks++;
  }, 1);
  before = performance.now();
  const startedAt = performance.now();
  await readDicom(file);
  const whole = performance.now() - startedAt;
  clearInterval(timer);
  t.ok(ticks > 5, `${ticks} ticks`);
  t.ok(longest < whole / 2, `a tick was ${longest} ms late, of ${whole} ms`);
});

t.test('a process that has read ends by itself; a thread can read too', async (t) => {
  const folder = t.testdir();
  writeFileSync(join(folder, 'image.dcm'), dicomFile());
  const { stdout } = await runProgram(
    folder,
    `import { Worker, isMainThread } from 'node:worker_threads';
     import { once } from 'node:events';
     import { fileURLToPath } from 'node:url';
     import { readDicom } from 'latentray';
     const { width, height } = await readDicom('image.dcm');
     console.log(width, height);
     if (isMainThread) await once(new Worker(fileURLToPath(import.meta.url)), 'exit');`,
  );
  t.equal(stdout, '4 2\n4 2\n');
});
