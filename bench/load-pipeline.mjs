// Opening a pipeline of Stable Diffusion 1.x's size (4.3 GB of random float32 weights) and computing with each
// part once, beside reading the same files, alternately in one run; every measurement in a process of its own.
// What loading costs is the time until every part has computed once, less the time of doing so again.
//
//   node bench/load-pipeline.mjs [--rounds 3] [--cache cold|warm] [--latents 32]
//                                [--folder <where the 4.3 GB of weights go>]
//
// Cold: the files are not in the page cache (dd drops them from it; a virtual machine's host may still have
// them). Warm: they are.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Pipeline, Tensor } from 'latentray';
import { makeRandomModel } from './random-weights.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    cache: { type: 'string', default: 'cold' },
    latents: { type: 'string', default: '32' },
    folder: { type: 'string', default: join(tmpdir(), 'latentray-sd1-pipeline-random') },
    measure: { type: 'string' },
  },
});
const { folder } = values;
const size = Number(values.latents);
const weightFiles = [
  'text_encoder/model',
  'unet/diffusion_pytorch_model',
  'vae/diffusion_pytorch_model',
].map((name) => join(folder, `${name}.safetensors`));

const kept = [];
if (values.measure === 'read') print(readFiles());
else if (values.measure === 'readIntoMemory') print(readFilesIntoMemory());
else if (values.measure === 'load') print(await openAndCompute());
else await compare();

async function compare() {
  await makePipeline();
  const rounds = { read: [], readIntoMemory: [], load: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const name of Object.keys(rounds)) {
      prepareCache();
      rounds[name].push(measure(name));
    }
  }
  const best = (name) => Math.min(...rounds[name].map(({ seconds }) => seconds));
  const weightBytes = weightFiles.reduce((sum, file) => sum + statSync(file).size, 0);
  const most = (field) => Math.max(...rounds.load.map((each) => each[field]));
  print({
    cache: values.cache,
    latents: size,
    weightBytes,
    readSeconds: best('read'),
    readIntoMemorySeconds: best('readIntoMemory'),
    loadSeconds: best('load'),
    loadOverRead: best('load') / best('read'),
    loadOverReadIntoMemory: best('load') / best('readIntoMemory'),
    peakAtFirstForwardOverWeights: most('peakAtFirstForward') / weightBytes,
    peakAfterDecodingOverWeights: most('peakAfterDecoding') / weightBytes,
    bytesFromDiskOverWeights: most('bytesFromDisk') / weightBytes,
    rounds,
  });
}

/** Through a small buffer: into the page cache. */
function readFiles() {
  const block = Buffer.allocUnsafe(8 << 20);
  const startedAt = performance.now();
  for (const file of weightFiles) {
    const fd = openSync(file);
    while (readSync(fd, block) > 0);
    closeSync(fd);
  }
  return { seconds: (performance.now() - startedAt) / 1000 };
}

/** Into memory of this process, as a program must that does not map them. */
function readFilesIntoMemory() {
  const startedAt = performance.now();
  for (const file of weightFiles) {
    const bytes = Buffer.allocUnsafeSlow(statSync(file).size);
    const fd = openSync(file);
    for (let at = 0; at < bytes.length; ) {
      at += readSync(fd, bytes, at, Math.min(8 << 20, bytes.length - at), at);
    }
    closeSync(fd);
    kept.push(bytes);
  }
  return { seconds: (performance.now() - startedAt) / 1000 };
}

async function openAndCompute() {
  const before = { disk: bytesFromDisk(), resident: status('VmRSS') };
  const startedAt = performance.now();
  const pipeline = await Pipeline.load(folder);
  const opened = performance.now();
  const peakAtFirstForward = await computeOnce(pipeline);
  const first = performance.now();
  await computeOnce(pipeline);
  const second = performance.now();
  return {
    seconds: (first - startedAt - (second - first)) / 1000,
    openSeconds: (opened - startedAt) / 1000,
    firstSeconds: (first - opened) / 1000,
    secondSeconds: (second - first) / 1000,
    residentBytesBefore: before.resident,
    peakAtFirstForward,
    peakAfterDecoding: status('VmHWM'),
    bytesFromDisk: bytesFromDisk() - before.disk,
  };
}

/** Text encoder, U-Net, decoder. Returns the peak of resident memory once the U-Net has computed. */
async function computeOnce({ textEncoder, unet, vae }) {
  const { lastHiddenState } = await textEncoder.encode(['no acute findings']);
  const sample = await Tensor.randn([1, 4, size, size], { seed: 1 });
  const latents = await unet.forward({
    sample,
    timestep: 500,
    encoderHiddenStates: lastHiddenState,
  });
  const peak = status('VmHWM');
  const pixels = await vae.decode(latents);
  for (const tensor of [lastHiddenState, sample, latents, pixels]) tensor.dispose();
  return peak;
}

function measure(name) {
  const self = fileURLToPath(import.meta.url);
  const args = [self, '--measure', name, '--folder', folder, '--latents', values.latents];
  const { stdout, status: code } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (code !== 0) throw new Error(`measuring ${name} ended with ${code}`);
  return JSON.parse(stdout);
}

function prepareCache() {
  for (const file of weightFiles) {
    const args = [`if=${file}`, 'of=/dev/null', 'status=none', 'bs=8M'];
    const drop = [...args, 'iflag=nocache', 'count=0'];
    execFileSync('dd', values.cache === 'cold' ? drop : args);
  }
}

async function makePipeline() {
  const parts = { unet: 'sd1-unet', vae: 'sd1-vae', text_encoder: 'sd1-text-encoder' };
  for (const [part, shapesFile] of Object.entries(parts)) {
    const { config, shapes } = JSON.parse(readFileSync(join(here, `${shapesFile}.json`), 'utf8'));
    const file = part === 'text_encoder' ? 'model.safetensors' : undefined;
    await makeRandomModel(join(folder, part), config, shapes, file);
  }
  const scheduler = { _class_name: 'DDIMScheduler', beta_schedule: 'scaled_linear' };
  mkdirSync(join(folder, 'scheduler'), { recursive: true });
  writeFileSync(join(folder, 'scheduler', 'scheduler_config.json'), JSON.stringify(scheduler));
  const tokenizer = join(here, '..', 'test', 'golden', 'tokenizer', 'clip');
  cpSync(tokenizer, join(folder, 'tokenizer'), { recursive: true });
  const index = {
    _class_name: 'StableDiffusionPipeline',
    scheduler: ['diffusers', 'DDIMScheduler'],
    text_encoder: ['transformers', 'CLIPTextModel'],
    tokenizer: ['transformers', 'CLIPTokenizer'],
    unet: ['diffusers', 'UNet2DConditionModel'],
    vae: ['diffusers', 'AutoencoderKL'],
  };
  writeFileSync(join(folder, 'model_index.json'), JSON.stringify(index));
}

/** Of /proc/self/status, in bytes. */
function status(field) {
  const line = readFileSync('/proc/self/status', 'utf8').match(
    new RegExp(`^${field}:\\s+(\\d+) kB`, 'm'),
  );
  return Number(line[1]) * 1024;
}

function bytesFromDisk() {
  return Number(readFileSync('/proc/self/io', 'utf8').match(/^read_bytes: (\d+)/m)[1]);
}

function print(result) {
  console.log(JSON.stringify(result));
}
