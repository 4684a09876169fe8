// A U-Net of Stable Diffusion 1.x' size on a GPU, in turns with eager PyTorch and diffusers where PYTHON has them:
// a call in float16 (64 × 64 latents, 2 samples: one guided step), and a training step in bfloat16.
//
//   PYTHON=python3 node bench/cuda-speed.mjs
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DenoiserTrainer, Scheduler, Tensor, UNet, version } from '../dist/esm/index.js';

const config = {
  _class_name: 'UNet2DConditionModel',
  attention_head_dim: 8,
  block_out_channels: [320, 640, 1280, 1280],
  cross_attention_dim: 768,
  layers_per_block: 2,
  sample_size: 64,
};
const trainingBatch = 4;
const rounds = 3;
const folder = mkdtempSync(join(tmpdir(), 'latentray-speed-'));
const created = await UNet.create(config, { seed: 1, device: 'cuda' });
await created.save(folder);
writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...created.config, ...config }));

const half = await UNet.load(folder, { device: 'cuda', dtype: 'float16' });
const input = async (shape, dtype) =>
  (await Tensor.randn(shape, { seed: 2 })).to({ device: 'cuda', dtype });
const sample = await input([2, 4, 64, 64], 'float16');
const states = await input([2, 77, 768], 'float16');
async function calls(count) {
  let last;
  const started = performance.now();
  for (let i = 0; i < count; i++)
    last = await half.forward({ sample, timestep: 500, encoderHiddenStates: states });
  (await (await last.mean()).to({ device: 'cpu' })).data(); // a GPU is waited for when its numbers are read
  return (performance.now() - started) / count / 1000;
}

const scheduler = await Scheduler.create('ddpm', { beta_schedule: 'scaled_linear' });
const trainer = await DenoiserTrainer.create(
  { unet: created, scheduler },
  { trainable: ['unet'], precision: 'bfloat16', maxGradNorm: 1, seed: 3 },
);
const latents = await Tensor.randn([trainingBatch, 4, 64, 64], { seed: 4 });
const conditions = await Tensor.randn([trainingBatch, 77, 768], { seed: 5 });
let step = 0;
async function trainingSteps(count) {
  const started = performance.now();
  for (let i = 0; i < count; i++, step++) {
    const sampleNumbers = Array.from({ length: trainingBatch }, (_, n) => step * trainingBatch + n);
    await trainer.accumulate({ latents, encoderHiddenStates: conditions, sampleNumbers }, { step });
    await trainer.update(1e-5);
  }
  return (performance.now() - started) / count / 1000;
}

const peer = spawn(
  process.env.PYTHON ?? 'python3',
  [new URL('peers/diffusers_cuda.py', import.meta.url).pathname, folder, String(trainingBatch)],
  { stdio: ['pipe', 'pipe', 'inherit'] },
);
const answers = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
const isThere = (await answers.next()).value === 'ready';
async function ask(what, count) {
  if (!isThere) return Number.NaN;
  peer.stdin.write(`${what} ${count}\n`);
  return Number((await answers.next()).value);
}

console.log(`LibTorch ${version.libtorch}; seconds, latentray / PyTorch with diffusers`);
for (const [name, what, own, count] of [
  ['U-Net call, float16', 'call', calls, 20],
  ['training step, bfloat16', 'train', trainingSteps, 5],
]) {
  await own(3);
  await ask(what, 3);
  for (let round = 0; round < rounds; round++) {
    const mine = await own(count);
    const others = await ask(what, count);
    console.log(
      `${name}: ${mine.toFixed(4)} / ${others.toFixed(4)} = ${(mine / others).toFixed(2)}`,
    );
  }
}
peer.stdin.end();
if (peer.exitCode === null) await once(peer, 'exit');
trainer.dispose();
rmSync(folder, { recursive: true });
