// One U-Net call of Stable Diffusion 1.x's size (random weights, float32), beside the same model in eager
// PyTorch through diffusers, alternately in one run. Python needs torch and diffusers: PYTHON names it.
//
//   node bench/unet-step.mjs [--rounds 5] [--latents 64] [--dtype float32] [--device cpu]
//                            [--folder <where the 3.4 GB of weights go>]
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { getThreads, Tensor, UNet } from 'latentray';
import { makeRandomModel } from './random-weights.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    latents: { type: 'string', default: '64' },
    dtype: { type: 'string', default: 'float32' },
    device: { type: 'string', default: 'cpu' },
    folder: { type: 'string', default: join(tmpdir(), 'latentray-sd1-random') },
  },
});
const size = Number(values.latents);
const python = process.env.PYTHON ?? 'python3';

const { config, shapes } = JSON.parse(readFileSync(join(here, 'sd1-unet.json'), 'utf8'));
await makeRandomModel(values.folder, config, shapes);
const peer = await startPeer();
const { dtype, device } = values;
const unet = await UNet.load(values.folder, { dtype, device });
const random = async (shape, seed) => (await Tensor.randn(shape, { seed })).to({ dtype, device });
const inputs = {
  sample: await random([1, 4, size, size], 1),
  timestep: 500,
  encoderHiddenStates: await random([1, 77, 768], 2),
};

const ours = [];
const theirs = [];
for (let round = 0; round <= Number(values.rounds); round++) {
  const own = await timeOwn();
  const other = peer ? await peer.step() : undefined;
  if (round === 0) continue; // the first one of each prepares
  ours.push(own);
  if (other !== undefined) theirs.push(other);
}
peer?.end();
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
console.log(
  JSON.stringify({
    latents: size,
    dtype,
    device,
    threads: getThreads(),
    latentray: { min: Math.min(...ours), median: median(ours) },
    ...(theirs.length > 0 && {
      pytorch: { min: Math.min(...theirs), median: median(theirs) },
      ratioOfMinima: Math.min(...ours) / Math.min(...theirs),
    }),
  }),
);

async function timeOwn() {
  const startedAt = performance.now();
  const output = await unet.forward(inputs);
  await output.to({ device: 'cpu' }); // waits for the device
  return (performance.now() - startedAt) / 1000;
}

/** A Python process that makes one step for each line it reads; undefined where Python lacks the peers. */
async function startPeer() {
  const script = join(here, 'peers', 'diffusers_unet.py');
  const args = [script, values.folder, String(size), values.dtype, values.device];
  const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: ready } = await lines.next();
  if (ready !== 'ready') {
    process.stderr.write(`${python} has no torch and diffusers: nothing to compare with\n`);
    return undefined;
  }
  return {
    async step() {
      child.stdin.write('step\n');
      return Number((await lines.next()).value);
    },
    end: () => child.stdin.end(),
  };
}
