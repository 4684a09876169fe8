import { mkdir, readdir } from 'node:fs/promises';
import { extname, join, parse, resolve } from 'node:path';
import type { Command } from 'commander';
import {
  Autoencoder,
  contactSheet,
  type DType,
  differenceImage,
  type Fit,
  fitImage,
  Image,
  invalidArgument,
  LatentrayError,
  metrics,
  reconstruct,
} from '../index.js';
import { interruptSignal, positiveInteger, printJson } from './options.js';
import { ProgressBar } from './progress-bar.js';

interface ReconstructFlags {
  vae: string;
  size?: number;
  fit?: Fit;
  batch: number;
  limit?: number;
  device?: string;
  dtype?: DType;
  out: string;
  json?: boolean;
}

/** What an autoencoder does to one image. */
export interface ReconstructionRow {
  readonly file: string;
  readonly rmse: number;
  readonly psnr: number;
  readonly ssim: number;
}

/** What {@link reconstructFiles} is given. */
export interface ReconstructionJob {
  readonly vae: Autoencoder;
  readonly files: readonly string[];
  readonly out: string;
  readonly size: number | undefined;
  readonly fit: Fit;
  readonly batch: number;
  readonly signal: AbortSignal;
}

/** `latentray reconstruct`: a folder of images through an autoencoder and back. */
export function registerReconstructCommand(program: Command): void {
  program
    .command('reconstruct')
    .description(
      'encode and decode images; write them, side-by-side sheets and a table of RMSE, PSNR, SSIM',
    )
    .argument('<images...>', 'image files, or folders of them')
    .requiredOption(
      '--vae <folder>',
      'an autoencoder: KL, tiny, or TAESD encoder and decoder files',
    )
    .option('--size <pixels>', 'bring each image to a square of this side first', positiveInteger)
    .option(
      '--fit <how>',
      'letterbox, centre-crop or stretch; needed where an image is no square',
      'none',
    )
    .option('--batch <n>', 'images at a time', positiveInteger, 4)
    .option('--limit <n>', 'stop after so many images', positiveInteger)
    .option('--device <name>', 'cpu, cuda or cuda:N')
    .option('--dtype <name>', 'float32, bfloat16 or float16')
    .option('-o, --out <folder>', 'where results go', 'outputs')
    .option('--json', 'print one JSON object')
    .action(run);
}

async function run(paths: string[], flags: ReconstructFlags): Promise<void> {
  const signal = interruptSignal();
  const { device, dtype, out, size, fit = 'none', batch } = flags;
  const vae = await Autoencoder.load(flags.vae, { device, dtype, signal });
  const files = (await imageFiles(paths)).slice(0, flags.limit);
  if (files.length === 0) throw invalidArgument('images', 'at least one image', paths.join(', '));
  const rows = await reconstructFiles({ vae, files, out, size, fit, batch, signal });
  if (flags.json) printJson({ images: rows, mean: meanOf(rows), out });
  else process.stdout.write(table(rows));
}

/** Reconstructs files in batches, and writes each reconstruction and a sheet a batch into `out`. */
export async function reconstructFiles(job: ReconstructionJob): Promise<ReconstructionRow[]> {
  checkOutputs(job);
  await mkdir(job.out, { recursive: true });
  const bar = new ProgressBar('reconstructing');
  const rows: ReconstructionRow[] = [];
  try {
    for (let start = 0; start < job.files.length; start += job.batch) {
      bar.update(start, job.files.length);
      const files = job.files.slice(start, start + job.batch);
      rows.push(...(await reconstructBatch(job, files, start / job.batch)));
    }
  } finally {
    bar.end();
  }
  return rows;
}

async function reconstructBatch(
  { vae, out, size, fit, signal }: ReconstructionJob,
  files: readonly string[],
  number: number,
): Promise<ReconstructionRow[]> {
  const originals = await Promise.all(
    files.map(async (file) => {
      const image = await Image.read(file, { signal });
      return size === undefined ? image : fitImage(image, { width: size, height: size, fit });
    }),
  );
  const restored = await reconstruct(vae, originals, { signal });
  const [rmse, psnr, ssim] = await Promise.all(
    [metrics.rmse, metrics.psnr, metrics.ssim].map((metric) =>
      metric(originals, restored, { signal }),
    ),
  );
  const rows = files.map((file, i) => ({
    file,
    rmse: rmse?.[i] ?? Number.NaN,
    psnr: psnr?.[i] ?? Number.NaN,
    ssim: ssim?.[i] ?? Number.NaN,
  }));
  await Promise.all(restored.map((image, i) => image.save(outputFile(out, files[i] ?? ''))));
  const sheet = await contactSheet({
    columns: ['original', 'reconstruction', 'difference × 8'],
    rows: rows.map((row, i) => {
      const [original, image] = [originals[i], restored[i]] as [Image, Image];
      return {
        label: `${parse(row.file).base}  ${row.psnr.toFixed(1)} dB  SSIM ${row.ssim.toFixed(3)}`,
        images: [original, image, differenceImage(original, image, 8)],
      };
    }),
  });
  await sheet.save(join(out, `sheet-${String(number + 1).padStart(3, '0')}.png`));
  return rows;
}

function outputFile(out: string, file: string): string {
  return join(out, `${parse(file).name}.png`);
}

/** No result may take the place of an original or of another result. */
function checkOutputs({ files, out }: ReconstructionJob): void {
  const originals = new Set(files.map((file) => resolve(file)));
  const outputs = new Set<string>();
  for (const file of files) {
    const output = resolve(outputFile(out, file));
    if (originals.has(output)) {
      throw invalidArgument('--out', 'another folder than the images lie in', out);
    }
    if (outputs.has(output)) throw invalidArgument('images', 'no two of one name', file);
    outputs.add(output);
  }
}

const imageExtensions = new Set(['.png', '.jpg', '.jpeg', '.webp', '.tif', '.tiff']);

async function imageFiles(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    paths.map(async (path) => {
      if (imageExtensions.has(extname(path).toLowerCase())) return [path];
      const names = await readdir(path).catch((cause) => {
        throw new LatentrayError('ERR_INVALID_ARG', `${path}: no image file and no folder`, {
          cause,
        });
      });
      const images = names.filter((name) => imageExtensions.has(extname(name).toLowerCase()));
      return images.sort().map((name) => join(path, name));
    }),
  );
  return found.flat();
}

/** The mean of each figure. */
export function meanOf(rows: readonly ReconstructionRow[]) {
  const mean = (pick: (row: ReconstructionRow) => number) =>
    rows.reduce((sum, row) => sum + pick(row), 0) / rows.length;
  return { rmse: mean((r) => r.rmse), psnr: mean((r) => r.psnr), ssim: mean((r) => r.ssim) };
}

/** The figures as a text table, the mean last. */
export function table(rows: readonly ReconstructionRow[]): string {
  const lines = [...rows, { file: `mean of ${rows.length}`, ...meanOf(rows) }].map(
    ({ file, rmse, psnr, ssim }) =>
      `${rmse.toFixed(4)}  ${psnr.toFixed(2).padStart(6)}  ${ssim.toFixed(4)}  ${file}`,
  );
  return `${['RMSE    PSNR dB  SSIM    image', ...lines].join('\n')}\n`;
}
