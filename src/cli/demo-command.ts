import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { contactSheet, defaultModelSettings, Pipeline } from '../index.js';
import { integer, interruptSignal, positiveInteger } from './options.js';
import { ProgressBar } from './progress-bar.js';

/** What the default model was taught to tell apart. */
const prompts = [
  'Chest X-ray, PA view, 54-year-old female, no finding.',
  'A photo of a lung x-ray with a visible pleural effusion.',
  'Frontal chest radiograph of an elderly man, PA: cardiomegaly.',
  'Chest X-ray, AP view, male patient with COVID-19.',
  'Pediatric chest X-ray, AP view, no finding.',
  'Pediatric chest X-ray, AP view, bacterial pneumonia.',
];

interface DemoFlags {
  steps: number;
  images: number;
  seed: number;
  out: string;
}

/** `latentray demo`: sentences to chest radiographs, with the model that comes with the package. */
export function registerDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('generate a labelled grid of synthetic chest radiographs with the default model')
    .option('-s, --steps <n>', 'denoising steps', positiveInteger, defaultModelSettings.steps)
    .option('--images <n>', 'images a sentence', positiveInteger, 2)
    .option('--seed <n>', 'of the first image of each sentence', integer, 42)
    .option('-o, --out <folder>', 'where the grid goes', 'outputs/demo')
    .action(demo);
}

async function demo({ steps, images: count, seed, out }: DemoFlags): Promise<void> {
  const signal = interruptSignal();
  await mkdir(out, { recursive: true });
  const startedAt = performance.now();
  const pipeline = await Pipeline.default({ signal });
  const seeds = Array.from({ length: count }, (_, n) => seed + n);
  const bar = new ProgressBar('generating');
  const rows = [];
  try {
    for (const [done, prompt] of prompts.entries()) {
      const { images } = await pipeline.generate({
        prompt,
        imagesPerPrompt: count,
        seed: seeds,
        steps,
        guidanceScale: defaultModelSettings.guidanceScale,
        onProgress: (at) => bar.update(done * steps + at.step, prompts.length * steps),
        signal,
      });
      rows.push({ label: prompt, images });
    }
  } finally {
    bar.end();
    pipeline.dispose();
  }
  const grid = await contactSheet({
    columns: seeds.map((each) => `synthetic, seed ${each}`),
    rows,
    signal,
  });
  const file = join(out, 'grid.png');
  await grid.save(file);
  const seconds = (performance.now() - startedAt) / 1000;
  process.stdout.write(
    `${file}: ${rows.length * count} synthetic radiographs in ${seconds.toFixed(1)} s. ` +
      'They show nobody, and are not for diagnosis.\n',
  );
}
