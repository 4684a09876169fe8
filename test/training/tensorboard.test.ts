import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Image } from '../../src/index.js';
import { TensorBoardLog } from '../../src/training/tensorboard.js';
import { crc32c, maskedCrc32c, readEvents } from '../support/tensorboard-events.js';

async function logFile(folder: string): Promise<Buffer> {
  const [name = ''] = await readdir(folder);
  return readFile(join(folder, name));
}

async function written(t: Test, write: (log: TensorBoardLog) => Promise<void>) {
  const folder = join(t.testdir(), 'tensorboard');
  const log = await TensorBoardLog.open(folder, 0);
  await write(log);
  await log.close();
  return readEvents(await logFile(folder));
}

t.test("the reader's checksum is CRC-32C", async (t) => {
  // RFC 3720, B.4, and the first bytes of every event file that TensorFlow writes.
  t.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  t.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  t.equal(maskedCrc32c(Buffer.from('1800000000000000', 'hex')), 0x224b7fa3);
});

t.test('a file begins with its version and its name says what it is', async (t) => {
  const folder = join(t.testdir(), 'deep', 'tensorboard');
  await (await TensorBoardLog.open(folder, 0)).close();
  const [name = ''] = await readdir(folder);
  t.match(name, /^events\.out\.tfevents\.\d+\./);
  t.match(readEvents(await logFile(folder)), [{ fileVersion: 'brain.Event:2', values: [] }]);
});

t.test('scalars of a step are there, as float32', async (t) => {
  const before = Date.now() / 1000;
  const [, first, second] = await written(t, async (log) => {
    await log.scalars(1, { loss: 0.1, learning_rate: 1e-4 });
    await log.scalars(300, { loss: Number.NaN });
  });
  t.equal(first?.step, 1);
  t.ok((first?.wallTime ?? 0) >= before - 1 && (first?.wallTime ?? 0) <= Date.now() / 1000);
  t.same(first?.values, [
    { tag: 'loss', scalar: Math.fround(0.1) },
    { tag: 'learning_rate', scalar: Math.fround(1e-4) },
  ]);
  t.equal(second?.step, 300);
  t.ok(Number.isNaN(second?.values[0]?.scalar));
});

t.test('a run that goes on tells TensorBoard from which step', async (t) => {
  const folder = join(t.testdir(), 'tensorboard');
  await (await TensorBoardLog.open(folder, 7)).close();
  const [, event] = readEvents(await logFile(folder));
  t.match(event, { step: 8, sessionStatus: 1, values: [] });
});

t.test('steps beyond 32 bits are kept', async (t) => {
  const [, event] = await written(t, (log) => log.scalars(2 ** 40 + 5, { loss: 1 }));
  t.equal(event?.step, 2 ** 40 + 5);
});

t.test('an image is a PNG with its size', async (t) => {
  const image = Image.fromPixels(
    Float32Array.from({ length: 20 * 300 }, (_, i) => i / 6000),
    { width: 300, height: 20, channels: 1 },
  );
  const png = await image.toBuffer('png');
  const [, event] = await written(t, (log) =>
    log.image(7, 'validation/0', { width: 300, height: 20, png }),
  );
  t.equal(event?.step, 7);
  const [value] = event?.values ?? [];
  t.match(value, { tag: 'validation/0', image: { width: 300, height: 20 } });
  t.match(await Image.read(value?.image?.png ?? Buffer.alloc(0)), { width: 300, height: 20 });
});

t.test('every byte of a record is under a checksum', async (t) => {
  const folder = join(t.testdir(), 'tensorboard');
  const log = await TensorBoardLog.open(folder, 0);
  await log.scalars(1, { loss: 0.5 });
  await log.close();
  const bytes = await logFile(folder);
  for (let place = 0; place < bytes.length; place++) {
    const changed = Buffer.from(bytes);
    changed[place] = (changed[place] as number) ^ 1;
    t.throws(() => readEvents(changed), `byte ${place}`);
  }
});

t.test('a folder that cannot be made is ERR_WRITE with its path', async (t) => {
  const folder = t.testdir();
  await writeFile(join(folder, 'file'), '');
  await t.rejects(TensorBoardLog.open(join(folder, 'file', 'tensorboard'), 0), {
    code: 'ERR_WRITE',
    path: /file\/tensorboard/,
  });
});
