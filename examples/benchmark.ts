// Denoising steps a second, guidance included, without the first step (which touches the weights).
//
//   node examples/benchmark.ts <pipeline folder> [steps] [threads]
import { getThreads, Pipeline, setThreads, version } from 'latentray';

const [model, steps = '10', threads] = process.argv.slice(2);
if (!model) throw new Error('usage: benchmark.ts <pipeline folder> [steps] [threads]');
if (threads) setThreads(Number(threads));

const pipeline = await Pipeline.load(model);
const times: number[] = [];
const { latents } = await pipeline.generate({
  prompt: 'A photo of a lung x-ray',
  scheduler: 'ddim',
  steps: Number(steps),
  seed: 0,
  output: 'latents',
  onStep: ({ elapsedMs }) => times.push(elapsedMs),
});

const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1000;
console.log(
  `${((times.length - 1) / seconds).toFixed(3)} steps/s: latents ${latents.shape.join('×')}, ` +
    `${pipeline.unet.dtype}, ${pipeline.unet.device}, ${getThreads()} threads, LibTorch ${version.libtorch}`,
);
pipeline.dispose();
