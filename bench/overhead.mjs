// What TypeScript and the binding cost a U-Net call: its wall time less the time that the executor spent
// computing, which is the same call made in C++.
//
//   node bench/overhead.mjs [--model <pipeline folder>] [--calls 200] [--latents 8]
import { parseArgs } from 'node:util';
import { executorStatistics, Tensor, UNet } from 'latentray';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: '../shared/golden/tiny-sd1/model' },
    calls: { type: 'string', default: '200' },
    latents: { type: 'string', default: '8' },
  },
});
const size = Number(values.latents);
const calls = Number(values.calls);
const unet = await UNet.load(`${values.model}/unet`);
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
