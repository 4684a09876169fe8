import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import {
  type ControlOptions,
  type DiffusionOptions,
  type DType,
  defaultModelFolder,
  defaultModelSettings,
  type Fit,
  fitImage,
  type Generated,
  Image,
  invalidArgument,
  type LoraSource,
  Pipeline,
} from '../index.js';
import { integer, interruptSignal, number, printJson, seeds, share } from './options.js';
import { ProgressBar } from './progress-bar.js';

interface GenerateFlags {
  model?: string;
  negative: string;
  steps?: number;
  guidance?: number;
  seed?: bigint[];
  width?: number;
  height?: number;
  images: number;
  scheduler?: string;
  image?: string;
  strength?: number;
  mask?: string;
  keepUnmasked?: boolean;
  paddingMaskCrop?: number;
  fit: Fit;
  controlNet?: string;
  control?: string;
  controlScale: number;
  guessMode?: boolean;
  config?: string;
  lora: LoraSource[];
  longPrompt?: 'truncate' | 'chunk';
  device?: string;
  dtype?: DType;
  out: string;
  json?: boolean;
}

/** `latentray generate`: texts, or an image and texts, to PNG files. */
export function registerGenerateCommand(program: Command): void {
  program
    .command('generate')
    .description(
      'generate images from texts; with --image, change an image; with --mask, only its white part',
    )
    .argument('<prompt...>', 'what to show; each argument is a prompt')
    .option(
      '-m, --model <path>',
      'a pipeline in the diffusers layout, or a checkpoint file (default: the one of the package)',
    )
    .option('-n, --negative <text>', 'what to stay away from', '')
    .option(
      '-s, --steps <n>',
      `denoising steps (default: 50; ${defaultModelSettings.steps} with the default model)`,
      integer,
    )
    .option(
      '-g, --guidance <scale>',
      `classifier-free guidance; 1 is none (default: 7.5; ${defaultModelSettings.guidanceScale} with the default model)`,
      number,
    )
    .option('--seed <n,…>', 'one seed for the batch, or one an image', seeds)
    .option('--width <pixels>', "a multiple of 8 (default: the image's, or the model's)", integer)
    .option('--height <pixels>', "a multiple of 8 (default: the image's, or the model's)", integer)
    .option('--images <n>', 'images a prompt', integer, 1)
    .option('--scheduler <name>', "such as ddim, euler, dpmpp_2m_karras (default: the model's)")
    .option('--image <file>', 'start from this image')
    .option('--strength <share>', 'how far from it, to 1 (default: 0.8; with --mask 1)', share)
    .option('--mask <file>', 'white is painted anew, black stays')
    .option('--keep-unmasked', "put the image's own pixels back outside of the mask")
    .option(
      '--padding-mask-crop <pixels>',
      'paint only the white part and so many pixels around it, at --width by --height',
      integer,
    )
    .option(
      '--fit <how>',
      'letterbox, centre-crop or stretch, where images are not --width by --height',
      'none',
    )
    .option('--control-net <folder>', 'a ControlNet, steered by --control')
    .option('--control <file>', 'an image of the structure that the result is to have')
    .option('--control-scale <n>', 'how strongly, 0 to 2', number, 1)
    .option('--guess-mode', 'steer by the structure alone, without a prompt or with a poor one')
    .option('--config <folder>', 'where --model is an original checkpoint file: its configs')
    .option('--lora <file[=scale]…>', 'LoRA weights to generate with', collectLora, [])
    .option('--long-prompt <how>', 'truncate (and say what was cut), or chunk')
    .option('--device <name>', 'cpu, cuda or cuda:N')
    .option('--dtype <name>', 'float32, bfloat16 or float16')
    .option('-o, --out <folder>', 'where the images go', 'outputs')
    .option('--json', 'print one JSON object')
    .action(generate);
}

async function generate(prompts: string[], flags: GenerateFlags): Promise<void> {
  checkFlags(flags);
  const signal = interruptSignal();
  const { device, dtype, controlNet, config, lora } = flags;
  const options = { device, dtype, controlNet, config, lora, signal };
  const pipeline = await Pipeline.load(flags.model ?? defaultModelFolder, options);
  await mkdir(flags.out, { recursive: true }); // before the work, so that a wrong folder loses nothing
  const bar = new ProgressBar('generating');
  const startedAt = performance.now();
  const run: DiffusionOptions = {
    prompt: prompts,
    negativePrompt: flags.negative,
    ...(flags.model === undefined && defaultModelSettings),
    ...(flags.steps !== undefined && { steps: flags.steps }),
    ...(flags.guidance !== undefined && { guidanceScale: flags.guidance }),
    seed: flags.seed?.length === 1 ? flags.seed[0] : flags.seed,
    imagesPerPrompt: flags.images,
    scheduler: flags.scheduler,
    longPrompt: flags.longPrompt,
    guessMode: flags.guessMode,
    onProgress: ({ step, steps }) => bar.update(step, steps),
    signal,
  };
  const result = await start(pipeline, flags, run).finally(() => bar.end());
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

/** Each use of --lora adds one: a file, and its scale behind the last "=". */
function collectLora(text: string, earlier: LoraSource[]): LoraSource[] {
  const [, path = text, scale] = /^(.*)=([^=]*)$/.exec(text) ?? [];
  return [...earlier, scale === undefined ? { path } : { path, scale: number(scale) }];
}

/** What one flag means without another. */
function checkFlags(flags: GenerateFlags): void {
  const needs: [keyof GenerateFlags, string, keyof GenerateFlags, string][] = [
    ['strength', '--strength', 'image', '--image'],
    ['mask', '--mask', 'image', '--image'],
    ['keepUnmasked', '--keep-unmasked', 'mask', '--mask'],
    ['paddingMaskCrop', '--padding-mask-crop', 'mask', '--mask'],
    ['guessMode', '--guess-mode', 'control', '--control'],
    ['control', '--control', 'controlNet', '--control-net'],
    ['controlNet', '--control-net', 'control', '--control'],
  ];
  for (const [flag, name, needed, neededName] of needs) {
    if (flags[flag] === undefined || flags[needed] !== undefined) continue;
    throw invalidArgument(name, `to be given with ${neededName}`, 'it alone');
  }
}

/** The kind of run that the flags ask for. */
async function start(pipeline: Pipeline, flags: GenerateFlags, options: DiffusionOptions) {
  const { width, height, strength, keepUnmasked } = flags;
  const { signal } = options;
  if (!flags.image) {
    const size = { width, height };
    const control = await readControl(flags, size, signal);
    return pipeline.generate({ ...options, ...size, control });
  }
  if (flags.paddingMaskCrop !== undefined) return paintRegion(pipeline, flags, options);
  const image = await readFitted(flags.image, flags, { width, height }, signal);
  const control = await readControl(flags, image, signal);
  if (!flags.mask) return pipeline.imageToImage({ ...options, image, strength, control });
  const mask = await readFitted(flags.mask, flags, image, signal);
  return pipeline.inpaint({ ...options, image, mask, strength, keepUnmasked, control });
}

/** --width and --height are of the region: the image keeps its own size, and its pixels outside of the mask. */
async function paintRegion(pipeline: Pipeline, flags: GenerateFlags, options: DiffusionOptions) {
  const { image: file = '', mask: maskFile = '', strength, keepUnmasked, paddingMaskCrop } = flags;
  const { signal } = options;
  const image = await Image.read(file, { signal });
  const mask = await Image.read(maskFile, { signal });
  const { width, height } = flags;
  const isAsked = width !== undefined || height !== undefined;
  const asked = { width: width ?? image.width, height: height ?? image.height };
  const size = isAsked ? asked : undefined;
  const control = await readControl(flags, { width, height }, signal);
  const run = { ...options, image, mask, size, strength, keepUnmasked, paddingMaskCrop, control };
  return pipeline.inpaint(run);
}

interface WantedSize {
  readonly width?: number;
  readonly height?: number;
}

async function readControl(
  { control, controlScale: scale, fit }: GenerateFlags,
  size: WantedSize,
  signal: AbortSignal | undefined,
): Promise<ControlOptions | undefined> {
  if (!control) return undefined;
  return { image: await readFitted(control, { fit }, size, signal), scale };
}

async function readFitted(
  file: string,
  { fit }: Pick<GenerateFlags, 'fit'>,
  { width, height }: WantedSize,
  signal: AbortSignal | undefined,
): Promise<Image> {
  const image = await Image.read(file, { signal });
  return fitImage(image, {
    ...{ width: width ?? image.width, height: height ?? image.height },
    ...{ fit, signal },
  });
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
