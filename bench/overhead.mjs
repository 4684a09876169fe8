// What TypeScript and the binding cost a U-Net call: its wall time less the time that the executor spent
// computing, which is the same call made in C++.
//
//   node bench/overhead.mjs [--model <pipeline folder>] [--calls 200] [--latents 8]
//
// Without a model it is the small U-Net of test/golden with random weights.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { executorStatistics, Tensor, UNet } from 'latentray';
import { makeRandomModel } from './random-weights.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    calls: { type: 'string', default: '200' },
    latents: { type: 'string', default: '8' },
  },
});
const size = Number(values.latents);
const calls = Number(values.calls);
const unet = values.model ? await UNet.load(join(values.model, 'unet')) : await smallUNet();
const inputs = {
  sample: await Tensor.randn([1, unet.inChannels, size, size], { seed: 1 }),
  timestep: 500,
  encoderHiddenStates: await Tensor.randn([1, 77, unet.crossAttentionDim], { seed: 2 }),
};
for (let i = 0; i < 5; i++) (await unet.forward(inputs)).dispose();

// In batches, because the executor counts a job just after its promise is settled.
const counted = () => new Promise((resolve) => setTimeout(resolve, 5));
await counted();
const batch = 20;
const overheads = [];
let computing = 0;
for (let start = 0; start < calls; start += batch) {
  const before = executorStatistics().busyMs;
  const startedAt = performance.now();
  for (let i = 0; i < batch; i++) (await unet.forward(inputs)).dispose();
  const wall = performance.now() - startedAt;
  await counted();
  const busy = executorStatistics().busyMs - before;
  computing += busy;
  overheads.push(((wall - busy) / batch) * 1000);
}
overheads.sort((a, b) => a - b);
const at = (share) => overheads[Math.floor(share * (overheads.length - 1))];
console.log(
  JSON.stringify({
    calls,
    computeMs: computing / calls,
    overheadUs: { min: at(0), median: at(0.5), max: at(1) },
    medianShare: at(0.5) / 1000 / (computing / calls),
  }),
);

async function smallUNet() {
  const here = dirname(fileURLToPath(import.meta.url));
  const source = join(here, '../test/golden/recipe-sd1/model/unet');
  const read = (name) => JSON.parse(readFileSync(join(source, name), 'utf8'));
  const { parameters } = read('diffusion_pytorch_model.recipe.json');
  const folder = mkdtempSync(join(tmpdir(), 'latentray-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await makeRandomModel(folder, read('config.json'), parameters);
  return UNet.load(folder);
}
