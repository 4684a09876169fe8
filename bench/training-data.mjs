// Images a second that training data gives, and what that costs the event loop; beside a trainer that takes as
// long as is said for each batch, whether the data keeps ahead of it.
//
//   node bench/training-data.mjs [--folder <folder with metadata.jsonl>] [--resolution 512] [--batch 8]
//     [--batches 40] [--concurrency 3] [--train-ms 400]
//
// Without a folder the images are JPEGs of 1024 × 1024 pixels with noise, grey, made in a temporary folder.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { Image, openTrainingData, SampleOrder, stepSamples } from 'latentray';

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    resolution: { type: 'string', default: '512' },
    batch: { type: 'string', default: '8' },
    batches: { type: 'string', default: '40' },
    concurrency: { type: 'string', default: '3' },
    'train-ms': { type: 'string', default: '400' },
  },
});
const batchSize = Number(values.batch);
const batches = Number(values.batches);
const data = await openTrainingData(values.folder ?? (await noisyImages(32)), {
  resolution: Number(values.resolution),
  concurrency: Number(values.concurrency),
});
const order = new SampleOrder(1, data.length);

await measure(4, 0); // reads files and starts threads
const { seconds, delay, cpuMs } = await measure(batches, 0);
const training = await measure(Math.min(batches, 20), Number(values['train-ms']));
console.log(
  JSON.stringify({
    images: data.length,
    resolution: data.width,
    imagesPerSecond: (batches * batchSize) / seconds,
    cpuMsPerImage: cpuMs / (batches * batchSize),
    eventLoopDelayMs: {
      p50: delay.percentile(50) / 1e6 - 1,
      p99: delay.percentile(99) / 1e6 - 1,
      max: delay.max / 1e6 - 1,
    },
    trainer: { msPerBatch: Number(values['train-ms']), waitedMsPerBatch: training.waitedMs },
  }),
);

/** Takes batches one after the other, each used for so long. */
async function measure(count, trainMs) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const requests = Array.from({ length: count }, (_, step) => {
    const [sampleNumbers] = stepSamples({ step, batchSize });
    return { step, sampleNumbers, indices: sampleNumbers.map((n) => order.indexOf(n)) };
  });
  let waited = 0;
  const cpuBefore = process.cpuUsage();
  delay.enable();
  const startedAt = performance.now();
  let askedAt = startedAt;
  for await (const batch of data.prefetch(requests)) {
    if (batch.step > 0) waited += performance.now() - askedAt;
    if (trainMs > 0) await new Promise((resolve) => setTimeout(resolve, trainMs));
    batch.dispose();
    askedAt = performance.now();
  }
  delay.disable();
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpuMs = (user + system) / 1000;
  return { seconds, delay, cpuMs, waitedMs: waited / (count - 1) };
}

async function noisyImages(count) {
  const folder = mkdtempSync(join(tmpdir(), 'latentray-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const side = 1024;
  let lines = '';
  for (let n = 0; n < count; ++n) {
    const samples = Uint8Array.from(
      { length: side * side },
      (_, i) => 60 + ((i % side) * 120) / side + Math.random() * 40,
    );
    const image = new Image({ width: side, height: side, channels: 1, data: samples });
    await image.save(join(folder, `${n}.jpg`));
    lines += `${JSON.stringify({ file_name: `${n}.jpg`, text: `${n}` })}\n`;
  }
  writeFileSync(join(folder, 'metadata.jsonl'), lines);
  return folder;
}
