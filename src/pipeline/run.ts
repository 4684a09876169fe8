import { randomBytes } from 'node:crypto';
import type { CustomScheduler } from '../custom-scheduler.js';
import { LatentrayError } from '../errors.js';
import type { Image } from '../image/image.js';
import type { Provenance } from '../image/provenance.js';
import { addon, runJob } from '../native/addon.js';
import type { NoisePredictorHandle } from '../native/addon-types.js';
import { NoiseSource, toSeed } from '../noise-source.js';
import { Scheduler } from '../scheduler.js';
import { handleOf, Tensor } from '../tensor.js';
import { type Control, readControl } from './control.js';
import { type DenoiseStart, denoise } from './denoise.js';
import { type ParsedDiffusionOptions, type Progress, stepsOf } from './generate-options.js';
import type { ImageDraw } from './image-latents.js';
import { bytesToImages, madeHere } from './images.js';
import { chooseScheduler, type IdentifiedParts } from './parts.js';
import {
  embedPrompts,
  type GuidedEmbeddings,
  promptsOf,
  spread,
  type Truncation,
} from './prompt-embeddings.js';
import { checkSafety } from './safety-check.js';

/** What a pipeline made. */
export interface Generated {
  /** One an image where `output` is `'image'`. Each says that it is synthetic and how it was made. */
  readonly images: readonly Image[];
  /** [N, 3, H, W] in [0, 1] where `output` is `'pixels'`. */
  readonly pixels: Tensor | undefined;
  /** [N, C, h, w], as the U-Net sees them. */
  readonly latents: Tensor;
  /** One for the whole batch, or one an image: `seed: seeds` makes the same images again. */
  readonly seeds: readonly bigint[];
  /** Prompts that were longer than the text encoder takes, with what was cut. */
  readonly truncated: readonly Truncation[];
  /**
   * Where `onStep` interrupted the run: `generate({ …, latents, startStep: nextStep })` goes on. undefined
   * for a run that was finished.
   */
  readonly nextStep: number | undefined;
  /**
   * For each image, whether the pipeline's safety checker flagged it and so made it black; undefined where
   * nothing was checked.
   */
  readonly flagged: readonly boolean[] | undefined;
}

/** What a kind of pipeline is told to begin a run. */
export interface RunContext extends ImageDraw {
  /** The number of steps that was asked for, before `strength`. */
  readonly stepCount: number;
  /** The scheduler's. */
  readonly order: number;
}

/** How a kind of pipeline begins. */
export interface RunStart extends DenoiseStart {
  /** [N, C, h, w], for U-Nets that take more than the latents. */
  readonly extraChannels?: Tensor | undefined;
  /** What belongs to the provenance's settings. */
  readonly settings: Record<string, unknown>;
  /** What is done to the decoded pixels, [N, 3, H, W] in [−1, 1]. */
  readonly finish?: ((pixels: Tensor) => Promise<Tensor>) | undefined;
}

/** A run of any kind: texts are encoded, `begin` makes the start, then denoising, decoding, checking. */
export async function runPipeline(
  parts: IdentifiedParts,
  options: ParsedDiffusionOptions,
  begin: (context: RunContext) => Promise<RunStart>,
): Promise<Generated> {
  const startedAt = performance.now();
  const progress = progressReporter(options.onProgress, startedAt);
  const { choice: steps, count: stepCount } = stepsOf(options);
  const prompts = promptsOf(options);
  const count = prompts.length * options.imagesPerPrompt;
  const seeds = seedsOf(options, count);
  const scheduler = chooseScheduler(parts.scheduler, options.scheduler);
  checkPreview(parts, options);

  progress('encode', 0, 1);
  const embeddings = await embedPrompts(parts, withoutNegative(parts, options));
  using noise = new NoiseSource(seeds as bigint[]);
  const context = { noise, seeds, count, stepCount, order: scheduler.order ?? 1 };
  const start = await begin(context);
  const control = await readControl(parts, options, sizeOf(parts, start));
  progress('encode', 1, 1);

  const { settings } = start;
  // Made when it is wanted: the digest of a model reads its files.
  const provenance = once(() =>
    provenanceOf(parts, options, { prompts, seeds, scheduler, settings, control }),
  );
  const preview = async (latents: Tensor, step: number) => {
    const made = await provenance();
    return decodePreview(parts, options, latents, (index) => made(index, { previewOfStep: step }));
  };
  const predictor = await createPredictor(parts, options, embeddings, start, control);
  const inputs = { predictor, scheduler, steps, start, noise, preview, startedAt };
  const { latents, nextStep } = await denoise(inputs, options).finally(() => predictor.dispose());

  const { truncated } = embeddings;
  const made = { images: [], pixels: undefined, flagged: undefined };
  const result = { ...made, latents, seeds, truncated, nextStep };
  if (options.output === 'latents') return result;
  progress('decode', 0, 1);
  const unfinished = nextStep === undefined ? {} : { interruptedAtStep: nextStep };
  const ofImage = async () => {
    const made = await provenance();
    return (index: number) => made(index, unfinished);
  };
  const output = await decode(parts, options, latents, start.finish, ofImage);
  progress('decode', 1, 1);
  return { ...result, ...output };
}

function sizeOf({ vae: { downscale } }: IdentifiedParts, { noise }: RunStart) {
  const [count = 0, , height = 0, width = 0] = noise.shape;
  return { count, height: height * downscale, width: width * downscale };
}

function createPredictor(
  { unet }: IdentifiedParts,
  options: ParsedDiffusionOptions,
  { prompt, negative }: GuidedEmbeddings,
  { extraChannels }: RunStart,
  control: Control,
): Promise<NoisePredictorHandle> {
  const { guidanceScale, guidanceRescale } = options;
  const [start, end] = options.guidanceInterval;
  const conditions = {
    promptEmbeddings: handleOf(prompt.states),
    promptMask: prompt.mask && handleOf(prompt.mask),
    negativePromptEmbeddings: negative && handleOf(negative.states),
    negativePromptMask: negative?.mask ? handleOf(negative.mask) : null,
    ...{ guidanceScale, guidanceRescale, guidanceInterval: { start, end } },
    extraChannels: extraChannels ? handleOf(extraChannels) : null,
    controls: control.inputs,
    guessMode: options.guessMode,
  };
  return runJob(options.signal, (token) =>
    addon().createNoisePredictor(unet.handle, conditions, token),
  );
}

/** Latents to what was asked for, finished and checked. */
async function decode(
  { vae, safetyChecker }: IdentifiedParts,
  options: ParsedDiffusionOptions,
  latents: Tensor,
  finish: RunStart['finish'],
  provenance: () => Promise<(index: number) => Provenance>,
): Promise<Pick<Generated, 'images' | 'pixels' | 'flagged'>> {
  const { slicing, tiling, signal } = options;
  const decoded = await vae.decodeScaled(latents, { slicing, tiling, signal });
  const finished = finish ? await finish(decoded) : decoded;
  const { pixels, flagged } = safetyChecker
    ? await checkSafety(safetyChecker, finished, signal)
    : { pixels: finished, flagged: undefined };
  return { ...(await toOutput(pixels, options, provenance)), flagged };
}

async function toOutput(
  pixels: Tensor,
  { output, signal }: ParsedDiffusionOptions,
  provenance: () => Promise<(index: number) => Provenance>,
): Promise<Pick<Generated, 'images' | 'pixels'>> {
  const convert = output === 'pixels' ? addon().pixelsToUnitRange : addon().pixelsToBytes;
  const converted = new Tensor(await runJob(signal, (token) => convert(handleOf(pixels), token)));
  if (output === 'pixels') return { images: [], pixels: converted };
  return { images: bytesToImages(converted, await provenance()), pixels: undefined };
}

async function decodePreview(
  { vae }: IdentifiedParts,
  { preview = vae, slicing, tiling, signal }: ParsedDiffusionOptions,
  latents: Tensor,
  provenance: (index: number) => Provenance,
): Promise<Image[]> {
  const { dtype, device } = preview;
  using own = await latents.to({ dtype, device, signal });
  using pixels = await preview.decodeScaled(own, { slicing, tiling, signal });
  using bytes = new Tensor(
    await runJob(signal, (token) => addon().pixelsToBytes(handleOf(pixels), token)),
  );
  return bytesToImages(bytes, provenance);
}

function checkPreview({ vae }: IdentifiedParts, { preview }: ParsedDiffusionOptions): void {
  if (!preview || preview.latentChannels === vae.latentChannels) return;
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `preview: expected an autoencoder of ${vae.latentChannels} latent channels, as the pipeline's, ` +
      `received one of ${preview.latentChannels}`,
  );
}

/** A U-Net that takes the guidance scale as an input needs no negative prompt. */
function withoutNegative<Options extends ParsedDiffusionOptions>(
  { unet }: IdentifiedParts,
  options: Options,
): Options {
  return unet.timeCondProjDim === undefined ? options : { ...options, guidanceScale: 1 };
}

/** An image's provenance, with what is added to its settings. */
type Describe = (index: number, more?: Record<string, unknown>) => Provenance;

interface Recipe {
  readonly prompts: readonly string[];
  readonly seeds: readonly bigint[];
  readonly scheduler: Scheduler | CustomScheduler;
  readonly settings: Record<string, unknown>;
  readonly control: Control;
}

async function provenanceOf(
  parts: IdentifiedParts,
  options: ParsedDiffusionOptions,
  { prompts, seeds, scheduler, settings, control }: Recipe,
): Promise<Describe> {
  const negatives = spread(options.negativePrompt, prompts.length);
  const [modelDigest, controls] = await Promise.all([parts.digest(), control.settings()]);
  const { choice } = stepsOf(options);
  const { guidanceScale, guidanceRescale, guidanceInterval, eta, clipSkip, longPrompt } = options;
  const lora = parts.lora.map(({ name, scale }) => ({ name, scale }));
  const common = {
    ...settings,
    scheduler: nameOf(scheduler),
    ...(typeof choice === 'number' ? { steps: choice } : choice),
    ...{ guidanceScale, guidanceRescale, guidanceInterval, eta, clipSkip, longPrompt },
    ...(lora.length > 0 && { lora }),
    ...(controls.length > 0 && { control: controls, guessMode: options.guessMode }),
    dtype: parts.unet.dtype,
    device: parts.unet.device,
  };
  return (index: number, more: Record<string, unknown> = {}) => {
    const row = Math.floor(index / options.imagesPerPrompt);
    return madeHere({
      modelDigest,
      prompt: prompts[row] ?? '',
      negativePrompt: negatives[row] ?? '',
      seed: seeds[seeds.length === 1 ? 0 : index] ?? 0n,
      // One seed draws a whole batch: the image's place in it belongs to the recipe.
      settings: { ...common, batchIndex: index, batchSeeds: seeds.length, ...more },
    });
  };
}

/** `make`, called at most once. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function nameOf(scheduler: Scheduler | CustomScheduler): unknown {
  if (scheduler instanceof Scheduler) return scheduler.config._class_name;
  return scheduler.name ?? scheduler.constructor.name;
}

function seedsOf({ seed }: ParsedDiffusionOptions, count: number): bigint[] {
  if (seed === undefined) {
    return Array.from({ length: count }, () => BigInt(randomBytes(4).readUInt32LE()));
  }
  if (!Array.isArray(seed)) return [toSeed(seed)];
  if (seed.length === count || seed.length === 1) return seed.map(toSeed);
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `seed: expected one, or ${count} (one an image), received ${seed.length}`,
  );
}

function progressReporter(
  onProgress: ((progress: Progress) => void) | undefined,
  startedAt: number,
) {
  return (stage: Progress['stage'], step: number, steps: number) =>
    onProgress?.({ stage, step, steps, elapsedMs: performance.now() - startedAt });
}
