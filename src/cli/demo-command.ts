import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { Autoencoder, type Image, Pipeline } from '../index.js';
import { interruptSignal } from './options.js';
import { ProgressBar } from './progress-bar.js';
import { meanOf, reconstructFiles } from './reconstruct-command.js';

interface DemoFlags {
  shared: string;
  images: string;
  out: string;
}

/** `latentray demo`: real radiographs through a real autoencoder, and a first generated image. */
export function registerDemoCommand(program: Command): void {
  program
    .command('demo')
    .description(
      'reconstruct radiographs with TAEF2 and generate an image, with what is on this machine',
    )
    .option('--shared <folder>', 'the folder with data/ and golden/', '../shared')
    .option('--images <n>', 'radiographs to reconstruct', '12')
    .option('-o, --out <folder>', 'where results go', 'outputs/demo')
    .action(demo);
}

async function demo(flags: DemoFlags): Promise<void> {
  const signal = interruptSignal();
  await mkdir(flags.out, { recursive: true });
  const data = process.env.LATENTRAY_DATA ?? join(flags.shared, 'data');
  const golden = process.env.LATENTRAY_GOLDEN ?? join(flags.shared, 'golden');
  await demoReconstruction(data, flags, signal);
  await demoGeneration(join(golden, 'tiny-sd1/model'), flags.out, signal);
}

async function demoReconstruction(data: string, flags: DemoFlags, signal: AbortSignal) {
  const weights = join(data, 'weights/taef2');
  if (!existsSync(weights)) {
    process.stdout.write(`No TAEF2 weights in ${weights}: nothing is reconstructed.\n`);
    return;
  }
  const files = await testRadiographs(join(data, 'cxr'), Number(flags.images));
  const vae = await Autoencoder.load(weights, { signal });
  const startedAt = performance.now();
  const rows = await reconstructFiles({
    vae,
    files,
    out: join(flags.out, 'reconstructions'),
    size: 256,
    fit: 'centre-crop',
    batch: 4,
    signal,
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const { psnr, ssim } = meanOf(rows);
  process.stdout.write(
    `Reconstructed ${rows.length} NIH radiographs (256 px, test split) with TAEF2 in ${seconds.toFixed(1)} s: ` +
      `PSNR ${psnr.toFixed(2)} dB, SSIM ${ssim.toFixed(4)}\n` +
      `  ${join(flags.out, 'reconstructions')}\n`,
  );
}

/** The first radiographs of NIH's test split. */
async function testRadiographs(folder: string, count: number): Promise<string[]> {
  const lines = (await readFile(join(folder, 'metadata.jsonl'), 'utf8')).trim().split('\n');
  return lines
    .map((line) => JSON.parse(line) as { file_name: string; split: string })
    .filter(({ file_name, split }) => split === 'test' && file_name.startsWith('nih/'))
    .slice(0, count)
    .map(({ file_name }) => join(folder, file_name));
}

async function demoGeneration(model: string, out: string, signal: AbortSignal) {
  if (!existsSync(model)) {
    process.stdout.write(`No pipeline in ${model}: nothing is generated.\n`);
    return;
  }
  const pipeline = await Pipeline.load(model, { signal });
  const bar = new ProgressBar('generating');
  const { images, seeds } = await pipeline
    .generate({
      prompt: 'A photo of a lung x-ray',
      seed: 42,
      steps: 20,
      scheduler: 'dpmpp_2m_karras',
      onProgress: ({ step, steps }) => bar.update(step, steps),
      signal,
    })
    .finally(() => bar.end());
  const file = join(out, 'generated.png');
  await (images[0] as Image).save(file);
  process.stdout.write(
    `Generated ${file} (seed ${seeds[0]}) with a test pipeline of random weights: it shows noise, and that ` +
      'the whole path works.\n',
  );
}
