import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { LatentrayError } from '../errors.js';
import type { Image } from '../image/image.js';
import { Autoencoder } from '../models/autoencoder.js';
import { exists, type ModelOptions, readJsonObject } from '../models/model-folder.js';
import { TextEncoder } from '../models/text-encoder.js';
import { UNet } from '../models/unet.js';
import { addon, runJob } from '../native/addon.js';
import { toSeed } from '../noise-source.js';
import { checkPath, parseOptions } from '../parse-options.js';
import { Scheduler, type SchedulerConfig } from '../scheduler.js';
import { handleOf, Tensor } from '../tensor.js';
import { denoise } from './denoise.js';
import {
  type GenerateOptions,
  generateOptions,
  type ParsedGenerateOptions,
  type Progress,
} from './generate-options.js';
import { bytesToImages, madeHere } from './images.js';
import { modelDigest } from './model-digest.js';
import { pipelineOptions } from './pipeline-options.js';
import { embedPrompts, promptsOf, spread, type Truncation } from './prompt-embeddings.js';
import { type ReconstructOptions, reconstruct } from './reconstruct.js';

/** How a pipeline is loaded; parts that are given replace the folder's. */
export interface PipelineOptions extends ModelOptions {
  readonly textEncoder?: string | TextEncoder;
  readonly unet?: string | UNet;
  readonly vae?: string | Autoencoder;
  /** A name that takes over the folder's config, a config, or a scheduler. */
  readonly scheduler?: string | SchedulerConfig | Scheduler;
}

/** What {@link Pipeline.generate} made. */
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
}

interface Parts {
  readonly textEncoder: TextEncoder;
  readonly unet: UNet;
  readonly vae: Autoencoder;
  readonly scheduler: Scheduler;
}

/** Text to image: a text encoder, a U-Net, an autoencoder and a scheduler, as diffusers saves them. */
export class Pipeline {
  readonly textEncoder: TextEncoder;
  readonly unet: UNet;
  readonly vae: Autoencoder;
  readonly scheduler: Scheduler;

  private constructor(parts: Parts) {
    this.textEncoder = parts.textEncoder;
    this.unet = parts.unet;
    this.vae = parts.vae;
    this.scheduler = parts.scheduler;
  }

  /**
   * Loads a folder in the diffusers layout: model_index.json beside `text_encoder`, `tokenizer`, `unet`,
   * `vae` and `scheduler`.
   *
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_WEIGHTS_…`, `ERR_DEVICE_UNAVAILABLE`.
   */
  static async load(path: string, given: PipelineOptions = {}): Promise<Pipeline> {
    checkPath(path);
    const options = parseOptions(pipelineOptions, given, 'Pipeline.load');
    await checkIndex(path, options);
    const { device, dtype, signal } = options;
    const model = { device, dtype, signal };
    const [textEncoder, unet, vae, scheduler] = await Promise.all([
      part(options.textEncoder, join(path, 'text_encoder'), (folder) =>
        TextEncoder.load(folder, model),
      ),
      part(options.unet, join(path, 'unet'), (folder) => UNet.load(folder, model)),
      part(options.vae, join(path, 'vae'), (folder) => Autoencoder.load(folder, model)),
      Scheduler.load(join(path, 'scheduler')),
    ]);
    const chosen = chooseScheduler(scheduler, options.scheduler);
    checkWidths(textEncoder, unet, vae);
    return new Pipeline({ textEncoder, unet, vae, scheduler: chosen });
  }

  /** What identifies the model: a SHA-256 over its weight files, each read once. */
  digest(): Promise<string> {
    return modelDigest(this.textEncoder, this.unet, this.vae);
  }

  /**
   * Generates images from texts. The same seed gives the same picture as diffusers, on every device and in
   * every dtype up to rounding.
   *
   * @throws `ERR_INVALID_ARG`, `ERR_SHAPE`; the signal's reason, within a step; whatever `onStep` throws.
   * The pipeline stays usable after each of them.
   */
  async generate(options: GenerateOptions): Promise<Generated> {
    const parsed = parseOptions(generateOptions, options, 'generate');
    const startedAt = performance.now();
    const progress = progressReporter(parsed.onProgress, startedAt);
    const size = this.#size(parsed);
    const prompts = promptsOf(parsed);
    const seeds = seedsOf(parsed, prompts.length * parsed.imagesPerPrompt);
    const scheduler = chooseScheduler(this.scheduler, parsed.scheduler);

    progress('encode', 0, 1);
    const embeddings = await embedPrompts(this.textEncoder, parsed);
    progress('encode', 1, 1);
    const { downscale } = this.vae;
    const latents = await denoise(
      {
        unet: this.unet,
        scheduler,
        embeddings,
        seeds,
        height: size.height / downscale,
        width: size.width / downscale,
        startedAt,
      },
      parsed,
    );
    const { truncated } = embeddings;
    const made = { images: [], pixels: undefined, latents, seeds, truncated };
    if (parsed.output === 'latents') return made;

    progress('decode', 0, 1);
    const decoded = await this.#decode(latents, parsed);
    progress('decode', 1, 1);
    if (parsed.output === 'pixels') return { ...made, pixels: decoded };
    const images = bytesToImages(
      decoded,
      await this.#provenance(parsed, prompts, seeds, scheduler),
    );
    return { ...made, images };
  }

  /** Images through the autoencoder and back; see {@link reconstruct}. */
  async reconstruct(images: readonly Image[], options: ReconstructOptions = {}): Promise<Image[]> {
    return reconstruct(this.vae, images, options);
  }

  /** Gives the memory of all parts back once running calls have ended. */
  dispose(): void {
    for (const part of this.#parts) part.dispose();
  }

  /** True when a part was disposed of, alone or with all others: the pipeline cannot be used any more. */
  get disposed(): boolean {
    return this.#parts.some(({ disposed }) => disposed);
  }

  get #parts() {
    return [this.textEncoder, this.unet, this.vae, this.scheduler];
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #size({ width, height }: ParsedGenerateOptions): { width: number; height: number } {
    const { downscale } = this.vae;
    const trained = Number(this.unet.config.sample_size ?? 64) * downscale;
    const size = { width: width ?? trained, height: height ?? trained };
    for (const [side, pixels] of Object.entries(size)) {
      if (pixels % downscale === 0) continue;
      throw new LatentrayError(
        'ERR_INVALID_ARG',
        `${side}: expected a multiple of ${downscale}, received ${pixels}`,
      );
    }
    return size;
  }

  async #decode(latents: Tensor, options: ParsedGenerateOptions): Promise<Tensor> {
    const { slicing, tiling, signal, output } = options;
    using pixels = await this.vae.decodeScaled(latents, { slicing, tiling, signal });
    const convert = output === 'pixels' ? addon().pixelsToUnitRange : addon().pixelsToBytes;
    return new Tensor(await runJob(signal, (token) => convert(handleOf(pixels), token)));
  }

  async #provenance(
    options: ParsedGenerateOptions,
    prompts: readonly string[],
    seeds: readonly bigint[],
    scheduler: Scheduler,
  ) {
    const negatives = spread(options.negativePrompt, prompts.length);
    const digest = await this.digest();
    const settings = {
      scheduler: scheduler.config._class_name,
      steps: options.steps,
      guidanceScale: options.guidanceScale,
      guidanceRescale: options.guidanceRescale,
      eta: options.eta,
      clipSkip: options.clipSkip,
      dtype: this.unet.dtype,
      device: this.unet.device,
    };
    return (index: number) => {
      const row = Math.floor(index / options.imagesPerPrompt);
      return madeHere({
        modelDigest: digest,
        prompt: prompts[row] ?? '',
        negativePrompt: negatives[row] ?? '',
        seed: seeds[seeds.length === 1 ? 0 : index] ?? 0n,
        // One seed draws a whole batch: the image's place in it belongs to the recipe.
        settings: { ...settings, batchIndex: index, batchSeeds: seeds.length },
      });
    };
  }
}

async function part<T extends object>(
  given: string | T | undefined,
  folder: string,
  load: (path: string) => Promise<T>,
): Promise<T> {
  return typeof given === 'object' ? given : load(given ?? folder);
}

function chooseScheduler(
  own: Scheduler,
  wanted: string | SchedulerConfig | Scheduler | undefined,
): Scheduler {
  if (wanted === undefined) return own;
  if (wanted instanceof Scheduler) return wanted;
  return typeof wanted === 'string' ? own.as(wanted) : Scheduler.create(wanted);
}

/** Reads model_index.json, where there is one, so that another kind of pipeline is named as such. */
async function checkIndex(path: string, options: PipelineOptions): Promise<void> {
  const indexPath = join(path, 'model_index.json');
  if (!(await exists(indexPath))) {
    if (options.unet && options.vae && options.textEncoder) return;
    throw new LatentrayError(
      'ERR_MODEL_NOT_FOUND',
      `${path}: expected a folder in the diffusers layout, with model_index.json`,
      { path },
    );
  }
  const { _class_name: name } = await readJsonObject(indexPath);
  if (typeof name === 'string' && name.startsWith('StableDiffusion') && !name.includes('XL'))
    return;
  throw new LatentrayError(
    'ERR_CONFIG_INVALID',
    `${indexPath}: _class_name: expected StableDiffusionPipeline, found ${name}`,
    { path: indexPath },
  );
}

function checkWidths(textEncoder: TextEncoder, unet: UNet, vae: Autoencoder): void {
  if (textEncoder.hiddenSize !== unet.crossAttentionDim) {
    throw new LatentrayError(
      'ERR_CONFIG_INVALID',
      `the text encoder's states are ${textEncoder.hiddenSize} wide, the U-Net attends to ` +
        `${unet.crossAttentionDim} (cross_attention_dim): they do not go together`,
    );
  }
  if (vae.latentChannels !== unet.inChannels) {
    throw new LatentrayError(
      'ERR_CONFIG_INVALID',
      `the autoencoder has ${vae.latentChannels} latent channels, the U-Net takes ` +
        `${unet.inChannels} (in_channels): they do not go together`,
    );
  }
}

function seedsOf({ seed }: ParsedGenerateOptions, count: number): bigint[] {
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
