import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type DType, type Generated, Pipeline } from '../index.js';
import { integer, interruptSignal, number, printJson, seeds } from './options.js';
import { ProgressBar } from './progress-bar.js';

interface GenerateFlags {
  model: string;
  negative: string;
  steps: number;
  guidance: number;
  seed?: bigint[];
  width?: number;
  height?: number;
  images: number;
  scheduler?: string;
  longPrompt?: 'truncate' | 'chunk';
  device?: string;
  dtype?: DType;
  out: string;
  json?: boolean;
}

/** `latentray generate`: texts to PNG files. */
export function registerGenerateCommand(program: Command): void {
  program
    .command('generate')
    .description('generate images from texts')
    .argument('<prompt...>', 'what to show; each argument is a prompt')
    .requiredOption('-m, --model <folder>', 'a pipeline in the diffusers layout')
    .option('-n, --negative <text>', 'what to stay away from', '')
    .option('-s, --steps <n>', 'denoising steps', integer, 50)
    .option('-g, --guidance <scale>', 'classifier-free guidance; 1 is none', number, 7.5)
    .option('--seed <n,…>', 'one seed for the batch, or one an image', seeds)
    .option('--width <pixels>', "a multiple of 8 (default: the model's)", integer)
    .option('--height <pixels>', "a multiple of 8 (default: the model's)", integer)
    .option('--images <n>', 'images a prompt', integer, 1)
    .option('--scheduler <name>', "such as ddim, euler, dpmpp_2m_karras (default: the model's)")
    .option('--long-prompt <how>', 'truncate (and say what was cut), or chunk')
    .option('--device <name>', 'cpu, cuda or cuda:N')
    .option('--dtype <name>', 'float32, bfloat16 or float16')
    .option('-o, --out <folder>', 'where the images go', 'outputs')
    .option('--json', 'print one JSON object')
    .action(generate);
}

async function generate(prompts: string[], flags: GenerateFlags): Promise<void> {
  const signal = interruptSignal();
  const { device, dtype } = flags;
  const pipeline = await Pipeline.load(flags.model, { device, dtype, signal });
  await mkdir(flags.out, { recursive: true }); // before the work, so that a wrong folder loses nothing
  const bar = new ProgressBar('generating');
  const startedAt = performance.now();
  const result = await pipeline
    .generate({
      prompt: prompts,
      negativePrompt: flags.negative,
      steps: flags.steps,
      guidanceScale: flags.guidance,
      seed: flags.seed?.length === 1 ? flags.seed[0] : flags.seed,
      width: flags.width,
      height: flags.height,
      imagesPerPrompt: flags.images,
      scheduler: flags.scheduler,
      longPrompt: flags.longPrompt,
      onProgress: ({ step, steps }) => bar.update(step, steps),
      signal,
    })
    .finally(() => bar.end());
  const seconds = (performance.now() - startedAt) / 1000;
  for (const { prompt, dropped } of result.truncated) {
    process.stderr.write(`Too long, cut: "${dropped}" of "${prompt}"\n`);
  }
  if (result.truncated.length > 0) {
    process.stderr.write('--long-prompt chunk takes texts of any length\n');
  }
  const files = await saveAll(result, flags.out);
  if (flags.json) printJson({ files, seeds: result.seeds, truncated: result.truncated, seconds });
  else process.stdout.write(files.map((file) => `${file}\n`).join(''));
}

async function saveAll({ images, seeds: used }: Generated, folder: string): Promise<string[]> {
  return Promise.all(
    images.map(async (image, index) => {
      const seed = used[used.length === 1 ? 0 : index];
      const file = join(folder, `image-${seed}-${index}.png`);
      await image.save(file);
      return file;
    }),
  );
}
