// Training steps of a U-Net (random weights and latents, AdamW, float32), in four parts.
// large: Stable Diffusion 1.x's size, with and without gradient checkpointing, each in a process of its own:
// seconds a step and peak resident memory. All weights are trained, or LoRA factors beside them; the first takes
// 14 GB. small: samples a second of a small U-Net, beside the same steps in eager PyTorch through diffusers,
// alternately in one run. lora: the same with LoRA factors beside a U-Net of Stable Diffusion 1.x's size. unet: the whole
// of that U-Net, each in processes of its own that take turns, since both at once take 28 GB; only when it is named.
// Python needs torch, diffusers and, for lora, peft: PYTHON names it.
//
//   node bench/train-unet.mjs [--only large|small|lora|unet] [--train unet|lora] [--latents 32] [--batch 1] [--steps 2]
//                             [--small-batch 16] [--small-steps 10] [--rounds 3] [--threads <n>]
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DenoiserTrainer, getThreads, Scheduler, setThreads, Tensor, UNet } from 'latentray';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    train: { type: 'string', default: 'unet' },
    latents: { type: 'string', default: '32' },
    batch: { type: 'string', default: '1' },
    steps: { type: 'string', default: '2' },
    'small-batch': { type: 'string', default: '16' },
    'small-steps': { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string' },
    measure: { type: 'string' },
  },
});
const size = Number(values.latents);
if (values.threads) setThreads(Number(values.threads));

if (values.measure) {
  print(await measureLarge(values.measure === 'checkpointed'));
} else {
  const result = { threads: getThreads(), latents: size };
  const { only } = values;
  if (!only || only === 'large') result.large = compareCheckpointing();
  if (!only || only === 'small') result.small = await compareWithPyTorch(smallRun());
  if (!only || only === 'lora') result.lora = await compareWithPyTorch(loraRun());
  if (only === 'unet') result.unet = await compareInTurns();
  print(result);
}

function compareCheckpointing() {
  const plain = inOwnProcess('plain');
  const checkpointed = inOwnProcess('checkpointed');
  return {
    train: values.train,
    batch: Number(values.batch),
    plain,
    checkpointed,
    secondsRatio: checkpointed.secondsPerStep / plain.secondsPerStep,
    peakRatio: checkpointed.peakBytes / plain.peakBytes,
    peakOverWeightsRatio: checkpointed.peakOverWeights / plain.peakOverWeights,
  };
}

async function compareInTurns() {
  const folder = mkdtempSync(join(tmpdir(), 'latentray-train-unet-'));
  const steps = Number(values.steps);
  const [ours, theirs] = [[], []];
  try {
    const { config } = JSON.parse(readFileSync(join(here, 'sd1-unet.json'), 'utf8'));
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    for (let round = 0; round < Number(values.rounds); round++) {
      ours.push(inOwnProcess('plain').secondsPerStep);
      const peer = await startPeer(folder, Number(values.batch), 'unet');
      if (!peer) break;
      await peer.train(1); // the first one allocates the optimizer's state
      theirs.push((await peer.train(steps)) / steps);
      await peer.end();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return { batch: Number(values.batch), secondsPerStep: ours, pytorchSecondsPerStep: theirs };
}

function inOwnProcess(name) {
  const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2), '--measure', name];
  const { stdout, status } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`measuring ${name} ended with ${status}`);
  return JSON.parse(stdout);
}

async function measureLarge(gradientCheckpointing) {
  const { config } = JSON.parse(readFileSync(join(here, 'sd1-unet.json'), 'utf8'));
  const unet = await UNet.create(config, { seed: 1 });
  const weightBytes = memory('VmRSS');
  const trainer = await makeTrainer(unet, {
    gradientCheckpointing,
    ...whatIsTrained(values.train),
  });
  const batch = await makeBatch(Number(values.batch), config);
  await step(trainer, batch, 0); // the first one allocates the optimizer's state
  const steps = Number(values.steps);
  const startedAt = performance.now();
  for (let n = 1; n <= steps; n++) await step(trainer, batch, n);
  const secondsPerStep = (performance.now() - startedAt) / 1000 / steps;
  const peakBytes = memory('VmHWM');
  return { secondsPerStep, peakBytes, weightBytes, peakOverWeights: peakBytes - weightBytes };
}

/** The committed reference model: two levels of 32 and 64 channels. */
function smallRun() {
  const path = join(here, '..', 'test', 'golden', 'recipe-sd1', 'model', 'unet', 'config.json');
  return {
    config: JSON.parse(readFileSync(path, 'utf8')),
    batchSize: Number(values['small-batch']),
    steps: Number(values['small-steps']),
    train: 'unet',
  };
}

function loraRun() {
  const { config } = JSON.parse(readFileSync(join(here, 'sd1-unet.json'), 'utf8'));
  return {
    config,
    batchSize: Number(values.batch),
    steps: Number(values.steps),
    train: 'lora',
  };
}

async function compareWithPyTorch({ config, batchSize, steps, train }) {
  const folder = mkdtempSync(join(tmpdir(), 'latentray-train-unet-'));
  try {
    const unet = await UNet.create(config, { seed: 1 });
    await unet.save(folder);
    const peer = await startPeer(folder, batchSize, train);
    const trainer = await makeTrainer(unet, whatIsTrained(train));
    const batch = await makeBatch(batchSize, config);
    const ours = [];
    const theirs = [];
    for (let round = 0; round <= Number(values.rounds); round++) {
      const own = await timeSteps(trainer, batch, steps);
      const other = await peer?.train(steps);
      if (round === 0) continue; // the first one of each prepares
      ours.push((batchSize * steps) / own);
      if (other !== undefined) theirs.push((batchSize * steps) / other);
    }
    await peer?.end();
    return {
      batch: batchSize,
      samplesPerSecond: Math.max(...ours),
      ...(theirs.length > 0 && {
        pytorchSamplesPerSecond: Math.max(...theirs),
        ratioOfMaxima: Math.max(...ours) / Math.max(...theirs),
      }),
      rounds: { ours, theirs },
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function whatIsTrained(train) {
  return train === 'lora' ? { lora: { rank: 4 } } : { trainable: ['unet'] };
}

async function makeTrainer(unet, options) {
  const scheduler = Scheduler.create('ddpm', { beta_schedule: 'scaled_linear' });
  return DenoiserTrainer.create({ unet, scheduler }, { maxGradNorm: 1, seed: 1, ...options });
}

async function makeBatch(count, config) {
  return {
    latents: await Tensor.randn([count, 4, size, size], { seed: 1 }),
    encoderHiddenStates: await Tensor.randn([count, 77, config.cross_attention_dim], { seed: 2 }),
    sampleNumbers: Array.from({ length: count }, (_, n) => n),
  };
}

async function step(trainer, batch, n) {
  await trainer.accumulate(batch, { step: n });
  await trainer.update(1e-5);
}

async function timeSteps(trainer, batch, steps) {
  const startedAt = performance.now();
  for (let n = 0; n < steps; n++) await step(trainer, batch, n);
  return (performance.now() - startedAt) / 1000;
}

/** A Python process that trains for as many steps as each line says; undefined where Python lacks the peers. */
async function startPeer(folder, batchSize, train) {
  const python = process.env.PYTHON ?? 'python3';
  const script = join(here, 'peers', 'diffusers_train.py');
  const args = [script, folder, String(size), String(batchSize), String(getThreads()), train];
  const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.once('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: ready } = await lines.next();
  if (ready !== 'ready') {
    process.stderr.write(`${python} has no torch and diffusers: nothing to compare with\n`);
    return undefined;
  }
  return {
    async train(steps) {
      child.stdin.write(`${steps}\n`);
      return Number((await lines.next()).value);
    },
    end: () => {
      child.stdin.end();
      return once(child, 'exit');
    },
  };
}

/** Of /proc/self/status, in bytes. */
function memory(field) {
  const line = readFileSync('/proc/self/status', 'utf8').match(
    new RegExp(`^${field}:\\s+(\\d+) kB`, 'm'),
  );
  return Number(line[1]) * 1024;
}

function print(result) {
  console.log(JSON.stringify(result));
}
