// Is a GPU's answer the CPU's? Every model of the default pipeline's recipe with the same random weights on
// both, training steps included; then what must not end the process. Prints a line a check; exit code 1 where one
// fails.
//
//   node bench/cuda-check.mjs
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Autoencoder,
  AutoencoderTrainer,
  cudaIsAvailable,
  DenoiserTrainer,
  devices,
  Pipeline,
  Tensor,
  TextEncoder,
  UNet,
  version,
} from '../dist/esm/index.js';

const recipe = new URL('../models/recipe/pipeline/', import.meta.url).pathname;
const configOf = (part) => JSON.parse(readFileSync(join(recipe, part, 'config.json'), 'utf8'));
let failures = 0;

/** The largest difference, as a share of the largest value. */
async function difference(found, expected) {
  const [a, b] = await Promise.all(
    [found, expected].map(async (x) => (await x.to({ device: 'cpu', dtype: 'float32' })).data()),
  );
  let largest = 0;
  let apart = 0;
  for (let i = 0; i < b.length; i++) {
    largest = Math.max(largest, Math.abs(b[i]));
    apart = Math.max(apart, Number.isFinite(a[i]) ? Math.abs(a[i] - b[i]) : Infinity);
  }
  return apart / largest;
}

async function check(name, limit, measure) {
  try {
    const found = await measure();
    const isFine = typeof found === 'number' ? found <= limit : found === limit;
    if (!isFine) failures += 1;
    console.log(`${isFine ? 'ok    ' : 'FAILED'} ${name}: ${found} (limit ${limit})`);
  } catch (error) {
    failures += 1;
    console.log(`FAILED ${name}: ${error.code ?? ''} ${error.message.slice(0, 400)}`);
  }
}

console.log(`LibTorch ${version.libtorch}, CUDA ${version.cuda}`, devices());
if (!cudaIsAvailable()) throw new Error('no CUDA device: nothing to check');
const folder = mkdtempSync(join(tmpdir(), 'latentray-cuda-'));

const parts = async (device) => ({
  unet: await UNet.create(configOf('unet'), { seed: 1, device }),
  vae: await Autoencoder.create(configOf('vae'), { seed: 2, device }),
  textEncoder: await TextEncoder.create(configOf('text_encoder'), {
    seed: 3,
    device,
    tokenizer: join(recipe, 'tokenizer'),
  }),
});
const cpu = await parts('cpu');
const gpu = await parts('cuda');

const sample = await Tensor.randn([2, 4, 32, 32], { seed: 4 });
const states = await Tensor.randn([2, 48, 128], { seed: 5 });
const noise = await Tensor.randn([2, 3, 256, 256], { seed: 6 });
const pixels = await (await noise.mul(0.2)).to({ dtype: 'float32' });
const to = (tensor, dtype = 'float32') => tensor.to({ device: 'cuda', dtype });
const denoise = async (unet, cast) =>
  unet.forward({
    sample: await cast(sample),
    timestep: 321,
    encoderHiddenStates: await cast(states),
  });
const same = async (x) => x;

const expectedNoise = await denoise(cpu.unet, same);
await check('U-Net, float32', 5e-3, async () =>
  difference(await denoise(gpu.unet, to), expectedNoise),
);
const expectedMean = (await cpu.vae.encode(pixels)).mean;
await check('autoencoder encodes, float32', 5e-3, async () =>
  difference((await gpu.vae.encode(await to(pixels))).mean, expectedMean),
);
const expectedPixels = await cpu.vae.decode(sample);
await check('autoencoder decodes, float32', 5e-3, async () =>
  difference(await gpu.vae.decode(await to(sample)), expectedPixels),
);
const texts = ['A photo of a lung x-ray with a visible pleural effusion.', ''];
const expectedStates = (await cpu.textEncoder.encode(texts)).lastHiddenState;
await check('text encoder, float32', 5e-3, async () =>
  difference((await gpu.textEncoder.encode(texts)).lastHiddenState, expectedStates),
);

await cpu.unet.save(join(folder, 'unet'));
await cpu.vae.save(join(folder, 'vae'));
for (const dtype of ['float16', 'bfloat16']) {
  const limit = dtype === 'float16' ? 1e-2 : 5e-2;
  const unet = await UNet.load(join(folder, 'unet'), { device: 'cuda', dtype });
  const vae = await Autoencoder.load(join(folder, 'vae'), { device: 'cuda', dtype });
  await check(`U-Net, ${dtype}`, limit, async () =>
    difference(await denoise(unet, (x) => to(x, dtype)), expectedNoise),
  );
  await check(`autoencoder decodes, ${dtype}`, limit, async () =>
    difference(await vae.decode(await to(sample, dtype)), expectedPixels),
  );
}

const pipelineOf = (models) => Pipeline.load(recipe, models);
const cpuPipeline = await pipelineOf(cpu);
const gpuPipeline = await pipelineOf(gpu);
const request = { prompt: texts[0], steps: 5, seed: 7, width: 256, height: 256, guidanceScale: 3 };
for (const scheduler of ['ddim', 'dpmpp_2m_karras', 'euler_ancestral']) {
  const wanted = { ...request, scheduler, output: 'latents' };
  await check(`generate with ${scheduler}, float32`, 2e-2, async () => {
    const { latents } = await cpuPipeline.generate(wanted);
    return difference((await gpuPipeline.generate(wanted)).latents, latents);
  });
}
await check(
  'an image is made',
  256,
  async () => (await gpuPipeline.generate(request)).images[0].width,
);

const settings = { trainable: ['unet', 'textEncoder'], seed: 8, snrGamma: 5, maxGradNorm: 1 };
const { inputIds } = gpuPipeline.textEncoder.tokenizer.encode(texts[0], { padding: 'max_length' });
const batch = {
  latents: sample,
  inputIds: Tensor.from(BigInt64Array.from([...inputIds, ...inputIds], BigInt), {
    shape: [2, inputIds.length],
  }),
  sampleNumbers: [0, 1],
};
async function trained(pipeline, more = {}) {
  const trainer = await DenoiserTrainer.create(pipeline, { ...settings, ...more });
  const losses = [];
  for (let step = 0; step < 3; step++) {
    losses.push((await trainer.accumulate(batch, { step })).loss);
    if (step === 0) losses.push(...Object.values(await trainer.gradients()).slice(0, 8));
    await trainer.update(1e-4);
  }
  await trainer.saveState(join(folder, 'state.safetensors'));
  await trainer.loadState(join(folder, 'state.safetensors'));
  trainer.dispose();
  return losses;
}
const largestOf = async (a, b) => {
  let largest = 0;
  for (const [i, each] of a.entries()) {
    const apart =
      typeof each === 'number' ? Math.abs(each - b[i]) / b[i] : await difference(each, b[i]);
    largest = Math.max(largest, apart);
  }
  return largest;
};
const byCpu = await trained(cpuPipeline);
await check('three training steps, float32', 2e-2, async () =>
  largestOf(await trained(gpuPipeline), byCpu),
);
for (const precision of ['bfloat16', 'float16']) {
  await check(`three training steps run in ${precision}`, true, async () => {
    const losses = await trained(gpuPipeline, { precision, ema: { decay: 0.9 } });
    return losses.every((loss) => typeof loss !== 'number' || Number.isFinite(loss));
  });
}

async function restored(vae, more = {}) {
  const trainer = await AutoencoderTrainer.create(vae, { seed: 9, ...more });
  const losses = [];
  for (let step = 0; step < 3; step++) {
    losses.push(
      (await trainer.accumulate({ pixels, sampleNumbers: [0, 1] }, { step })).reconstruction,
    );
    await trainer.update(1e-4);
  }
  trainer.dispose();
  return losses;
}
const restoredByCpu = await restored(cpu.vae);
await check('three steps of the autoencoder, float32', 2e-2, async () =>
  largestOf(await restored(gpu.vae), restoredByCpu),
);
await check(
  'three steps of the autoencoder run in bfloat16 with a discriminator',
  true,
  async () => {
    const discriminator = { startStep: 0, weight: 0.5, channels: 16, layers: 2 };
    const losses = await restored(gpu.vae, { precision: 'bfloat16', discriminator });
    return losses.every(Number.isFinite);
  },
);

await check('too much memory is an error', 'ERR_OUT_OF_MEMORY', async () => {
  try {
    Tensor.zeros([2 ** 20, 2 ** 20], { device: 'cuda' });
    return 'none';
  } catch (error) {
    return error.code;
  }
});
await check('an aborted run rejects with its reason', 'enough', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const onProgress = () => controller.abort(new Error('enough'));
  return gpuPipeline.generate({ ...request, steps: 50, signal, onProgress }).then(
    () => 'ended',
    (error) => error.message,
  );
});
await check(
  'and the pipeline goes on',
  256,
  async () => (await gpuPipeline.generate(request)).images[0].height,
);

rmSync(folder, { recursive: true });
console.log(failures === 0 ? 'all checks passed' : `${failures} checks failed`);
process.exitCode = failures === 0 ? 0 : 1;
