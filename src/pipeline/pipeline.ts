import { randomBytes } from 'node:crypto';
import { LatentrayError } from '../errors.js';
import type { Image } from '../image/image.js';
import { Autoencoder } from '../models/autoencoder.js';
import type { CheckpointOptions, ModelOptions } from '../models/model-folder.js';
import type { SaveOptions } from '../models/save-model.js';
import { TextEncoder } from '../models/text-encoder.js';
import type { TextProjection } from '../models/text-projection.js';
import type { TextualInversionSource } from '../models/textual-inversion.js';
import { UNet } from '../models/unet.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import { toSeed } from '../noise-source.js';
import { parseOptions } from '../parse-options.js';
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
import { openPipeline, type PartSource, type PipelineSourceOptions } from './pipeline-source.js';
import {
  type EncodedPrompt,
  type EncodePromptOptions,
  embedBoth,
  embedPrompts,
  encodePromptOptions,
  type PromptEmbeddings,
  promptsOf,
  spread,
  type Truncation,
} from './prompt-embeddings.js';
import { type ReconstructOptions, reconstruct } from './reconstruct.js';
import { savePipeline } from './save-pipeline.js';
import { textProjectionFor } from './text-projection-part.js';

/** How a pipeline is loaded; parts that are given replace the folder's. */
export interface PipelineOptions extends ModelOptions, PipelineSourceOptions {
  /** CLIP, BERT, RoBERTa or CXR-BERT. One of another width needs a `textProjection`. */
  readonly textEncoder?: string | TextEncoder;
  /**
   * Between the text encoder's states and the U-Net: a folder, a projection, or a new one with random weights
   * (`'mlp'` has one hidden layer). @default the folder's `text_projection`, where it has one
   */
  readonly textProjection?: string | TextProjection | undefined;
  /** Files of learned tokens; see {@link Pipeline.loadTextualInversion}. */
  readonly embeddings?: readonly (string | TextualInversionSource)[] | undefined;
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
  readonly index: Readonly<Record<string, unknown>>;
  readonly textEncoder: TextEncoder;
  readonly textProjection: TextProjection | undefined;
  readonly unet: UNet;
  readonly vae: Autoencoder;
  readonly scheduler: Scheduler;
}

/** Text to image: a text encoder, a U-Net, an autoencoder and a scheduler, as diffusers saves them. */
export class Pipeline {
  /** The published model_index.json. */
  readonly index: Readonly<Record<string, unknown>>;
  readonly textEncoder: TextEncoder;
  /** Where another text encoder took CLIP's place. */
  readonly textProjection: TextProjection | undefined;
  readonly unet: UNet;
  readonly vae: Autoencoder;
  readonly scheduler: Scheduler;
  #digest: { readonly files: string; readonly value: Promise<string> } | undefined;

  private constructor(parts: Parts) {
    this.index = parts.index;
    this.textEncoder = parts.textEncoder;
    this.textProjection = parts.textProjection;
    this.unet = parts.unet;
    this.vae = parts.vae;
    this.scheduler = parts.scheduler;
  }

  /**
   * Loads a folder in the diffusers layout (model_index.json beside `text_encoder`, `tokenizer`, `unet`,
   * `vae` and `scheduler`), or an original single-file checkpoint of Stable Diffusion 1.x or 2.x
   * (.safetensors, .ckpt). A checkpoint file holds weights alone: its configs and its tokenizer are read from
   * `config`, a folder in the diffusers layout, by default one of the file's name or the file's own folder.
   *
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_WEIGHTS_…`, `ERR_DEVICE_UNAVAILABLE`.
   */
  static async load(path: string, options: PipelineOptions = {}): Promise<Pipeline> {
    const source = await openPipeline(path, options);
    const { device, dtype, signal } = options;
    const model = { device, dtype, signal };
    const tokenizer = source.tokenizer;
    const [textEncoder, unet, vae, scheduler] = await Promise.all([
      part(options.textEncoder, source.part('text_encoder'), (folder, own) =>
        TextEncoder.load(folder, { ...model, ...own, ...(own && { tokenizer }) }),
      ),
      part(options.unet, source.part('unet'), (folder, own) =>
        UNet.load(folder, { ...model, ...own }),
      ),
      part(options.vae, source.part('vae'), (folder, own) =>
        Autoencoder.load(folder, { ...model, ...own }),
      ),
      Scheduler.load(source.scheduler),
    ]);
    const chosen = chooseScheduler(scheduler, options.scheduler);
    checkWidths(unet, vae);
    const textProjection = await textProjectionFor(
      { folder: path, wanted: options.textProjection, textEncoder, unet },
      model,
    );
    const pipeline = new Pipeline({
      index: source.index,
      textEncoder,
      textProjection,
      unet,
      vae,
      scheduler: chosen,
    });
    for (const source of options.embeddings ?? []) {
      const { path: file, token } = typeof source === 'string' ? { path: source } : source;
      await pipeline.loadTextualInversion(file, { token, signal });
    }
    return pipeline;
  }

  /** What identifies the model: a SHA-256 over its weight files, read once. */
  digest(): Promise<string> {
    const parts = [this.textEncoder, this.textProjection, this.unet, this.vae];
    const weightFiles = parts.flatMap((part) => part?.weightFiles ?? []);
    const files = weightFiles.join('\n');
    if (this.#digest?.files !== files) this.#digest = { files, value: modelDigest(weightFiles) };
    return this.#digest.value;
  }

  /**
   * Prompts as {@link generate} encodes them, to be kept, looked at or changed: pass
   * `{ promptEmbeddings, negativePromptEmbeddings }` on to it.
   *
   * @throws `ERR_INVALID_ARG`; the signal's reason.
   */
  async encodePrompt(options: EncodePromptOptions): Promise<EncodedPrompt> {
    const parsed = parseOptions(encodePromptOptions, options, 'encodePrompt');
    const given = { promptEmbeddings: undefined, negativePromptEmbeddings: undefined };
    const { prompt, negative, truncated } = await embedBoth(this, { ...parsed, ...given }, true);
    return {
      promptEmbeddings: prompt,
      negativePromptEmbeddings: negative as PromptEmbeddings,
      truncated,
    };
  }

  /**
   * Teaches the text encoder a token by learned embeddings; see {@link TextEncoder.loadTextualInversion}.
   *
   * @returns The token, for prompts.
   */
  loadTextualInversion(
    path: string,
    options: { readonly token?: string | undefined } & JobOptions = {},
  ): Promise<string> {
    return this.textEncoder.loadTextualInversion(path, options);
  }

  /** Takes a learned token back. */
  unloadTextualInversion(token: string, options: JobOptions = {}): Promise<void> {
    return this.textEncoder.unloadTextualInversion(token, options);
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
    const embeddings = await embedPrompts(this, parsed);
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

  /**
   * Saves a folder in the diffusers layout, which diffusers and {@link Pipeline.load} read: the weights as
   * they are now, with their dtype unless another is asked for. Learned tokens stay in their own files.
   *
   * @throws `ERR_WRITE`, `ERR_DISPOSED`.
   */
  async save(folder: string, options: SaveOptions = {}): Promise<void> {
    await savePipeline(this, folder, options);
  }

  /** Gives the memory of all parts back once running calls have ended. */
  dispose(): void {
    this.textEncoder.dispose();
    this.textProjection?.dispose();
    this.unet.dispose();
    this.vae.dispose();
    this.scheduler.dispose();
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
      longPrompt: options.longPrompt,
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

/** A part that was given, or the pipeline's own, which `load` gets with its own options. */
async function part<T extends object>(
  given: string | T | undefined,
  source: PartSource,
  load: (path: string, own?: CheckpointOptions) => Promise<T>,
): Promise<T> {
  if (given === undefined) return load(source.path, source.options);
  return typeof given === 'string' ? load(given) : given;
}

function chooseScheduler(
  own: Scheduler,
  wanted: string | SchedulerConfig | Scheduler | undefined,
): Scheduler {
  if (wanted === undefined) return own;
  if (wanted instanceof Scheduler) return wanted;
  return typeof wanted === 'string' ? own.as(wanted) : Scheduler.create(wanted);
}

function checkWidths(unet: UNet, vae: Autoencoder): void {
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
