// Features of images, resizing, and the memory of a streaming Fréchet distance. Networks have random weights
// of the published shapes: DenseNet-121 in torchxrayvision's form. --inception names a real file of FID's
// network, which is measured too then. DenseNet and resizing alternate with torchvision in eager PyTorch where PYTHON
// has both.
//
//   node bench/features.mjs [--images 32] [--batch 8] [--rounds 3] [--rows 100000] [--threads <n>]
//                           [--inception <file>]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  FeatureExtractor,
  FeatureStatistics,
  getThreads,
  metrics,
  saveTensors,
  setThreads,
  Tensor,
} from 'latentray';
import { startPython } from './peers/start-python.mjs';

const { values } = parseArgs({
  options: {
    images: { type: 'string', default: '32' },
    batch: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
    rows: { type: 'string', default: '100000' },
    threads: { type: 'string' },
    inception: { type: 'string' },
  },
});
if (values.threads) setThreads(Number(values.threads));
const [images, batch, rounds] = [values.images, values.batch, values.rounds].map(Number);

const summary = { threads: getThreads(), images, batch };
const folder = mkdtempSync(join(tmpdir(), 'latentray-densenet-'));
const weights = join(folder, 'densenet121.safetensors');
await saveTensors(weights, await denseNetWeights());
const torchvision = await startPython('torchvision_features.py', [
  weights,
  images,
  batch,
  getThreads(),
]);
const network = await FeatureExtractor.densenet(weights);
summary.denseNetImagesPerSecond = await rateOf(network, 'features');
if (values.inception) {
  const inception = await FeatureExtractor.inception(values.inception);
  summary.inceptionImagesPerSecond = await rateOf(inception);
}
summary.resizeImagesPerSecond = await resizeRate();
torchvision?.end();
rmSync(folder, { recursive: true });
summary.streaming = await streaming(Number(values.rows));
console.log(JSON.stringify(summary, null, 2));

/** The best of the rounds, after a batch that prepares. */
async function rateOf(extractor, task) {
  const pixels = Tensor.full([batch, 1, 512, 512], 0.5);
  await extractor.forward(pixels);
  return alternate(task, async () => {
    for (let done = 0; done < images; done += batch) await extractor.forward(pixels);
  });
}

async function resizeRate() {
  const pixels = await (await Tensor.randn([batch, 1, 1024, 1024])).clamp(0, 1);
  return alternate('resize', async () => {
    for (let done = 0; done < images; done += batch) {
      const small = await pixels.resize([512, 512], { kernel: 'bicubic' });
      small.dispose();
    }
  });
}

/** Images a second, ours and torchvision's of the same task. */
async function alternate(task, work) {
  const candidates = { latentray: work };
  if (torchvision && task) candidates.torchvision = () => torchvision.ask(task);
  const seconds = {};
  for (let round = 0; round < rounds; ++round) {
    for (const [name, run] of Object.entries(candidates)) {
      const startedAt = performance.now();
      await run();
      const took = (performance.now() - startedAt) / 1000;
      seconds[name] = Math.min(seconds[name] ?? Infinity, took);
    }
  }
  const rates = Object.entries(seconds).map(([name, value]) => [name, images / value]);
  return Object.fromEntries(rates.map(([name, rate]) => [name, Number(rate.toPrecision(3))]));
}

/** Resident memory after a tenth of the rows, and the most of it after that. */
async function streaming(rows) {
  const perBatch = 500;
  const width = 2048;
  const statistics = new FeatureStatistics();
  const startedAt = performance.now();
  let early = 0;
  let most = 0;
  for (let done = 0; done < rows; done += perBatch) {
    const features = await Tensor.randn([perBatch, width], { seed: done });
    await statistics.add(features);
    features.dispose();
    const { rss } = process.memoryUsage();
    if (done < rows / 10) early = Math.max(early, rss);
    else most = Math.max(most, rss);
  }
  const addSeconds = (performance.now() - startedAt) / 1000;
  const distanceAt = performance.now();
  await metrics.frechetDistance(statistics, statistics);
  return {
    rows: statistics.count,
    width,
    megabytesAfterATenth: Math.round(early / 1e6),
    megabytesAtMostAfterThat: Math.round(most / 1e6),
    seconds: Number(addSeconds.toPrecision(3)),
    frechetDistanceSeconds: Number(((performance.now() - distanceAt) / 1000).toPrecision(3)),
  };
}

async function denseNetWeights() {
  const tensors = {};
  const norm = (name, channels) => {
    for (const each of ['weight', 'running_var'])
      tensors[`${name}.${each}`] = Tensor.ones([channels]);
    for (const each of ['bias', 'running_mean'])
      tensors[`${name}.${each}`] = Tensor.zeros([channels]);
  };
  const weight = async (name, shape) => {
    const inputs = shape.slice(1).reduce((product, size) => product * size, 1);
    tensors[`${name}.weight`] = await (await Tensor.randn(shape)).mul(Math.sqrt(2 / inputs));
  };
  await weight('features.conv0', [64, 1, 7, 7]);
  norm('features.norm0', 64);
  let channels = 64;
  for (const [block, layers] of [6, 12, 24, 16].entries()) {
    for (let layer = 1; layer <= layers; ++layer, channels += 32) {
      const name = `features.denseblock${block + 1}.denselayer${layer}`;
      norm(`${name}.norm1`, channels);
      await weight(`${name}.conv1`, [128, channels, 1, 1]);
      norm(`${name}.norm2`, 128);
      await weight(`${name}.conv2`, [32, 128, 3, 3]);
    }
    if (block === 3) break;
    norm(`features.transition${block + 1}.norm`, channels);
    await weight(`features.transition${block + 1}.conv`, [channels / 2, channels, 1, 1]);
    channels /= 2;
  }
  norm('features.norm5', channels);
  await weight('classifier', [18, channels]);
  tensors['classifier.bias'] = Tensor.zeros([18]);
  return tensors;
}
