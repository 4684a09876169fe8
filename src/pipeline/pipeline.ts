import type { Image } from '../image/image.js';
import type { Autoencoder } from '../models/autoencoder.js';
import type { ControlNet } from '../models/controlnet.js';
import { SafetyChecker } from '../models/safety-checker.js';
import type { SaveOptions } from '../models/save-model.js';
import type { TextEncoder } from '../models/text-encoder.js';
import type { TextProjection } from '../models/text-projection.js';
import type { UNet } from '../models/unet.js';
import type { JobOptions } from '../native/addon.js';
import { parseOptions } from '../parse-options.js';
import type { Scheduler } from '../scheduler.js';
import { defaultModelFolder } from './default-model.js';
import type { GenerateOptions } from './generate-options.js';
import { type ImageToImageOptions, imageToImage } from './image-to-image.js';
import { type InpaintOptions, inpaint } from './inpaint.js';
import { type LoadedPipeline, loadPipeline, type PipelineOptions } from './load-pipeline.js';
import { type LoraAdapter, LoraAdapters, type LoraSource } from './lora-adapters.js';
import { modelDigest } from './model-digest.js';
import {
  type EncodedPrompt,
  type EncodePromptOptions,
  embedBoth,
  encodePromptOptions,
  type PromptEmbeddings,
} from './prompt-embeddings.js';
import { type ReconstructOptions, reconstruct } from './reconstruct.js';
import type { Generated } from './run.js';
import type { SafetyCheck } from './safety-check.js';
import { savePipeline } from './save-pipeline.js';
import { textToImage } from './text-to-image.js';

/**
 * Texts, or images and texts, to images: a text encoder, a U-Net, an autoencoder and a scheduler, as diffusers
 * saves them.
 */
export class Pipeline {
  readonly textEncoder: TextEncoder;
  /** Where another text encoder took CLIP's place. */
  readonly textProjection: TextProjection | undefined;
  readonly unet: UNet;
  readonly vae: Autoencoder;
  readonly scheduler: Scheduler;
  readonly controlNets: readonly ControlNet[];
  readonly safetyChecker: SafetyChecker | SafetyCheck | undefined;
  /** The published model_index.json. */
  readonly index: Readonly<Record<string, unknown>>;
  readonly #lora: LoraAdapters;

  private constructor({ parts, index }: LoadedPipeline) {
    this.textEncoder = parts.textEncoder;
    this.textProjection = parts.textProjection;
    this.unet = parts.unet;
    this.vae = parts.vae;
    this.scheduler = parts.scheduler;
    this.controlNets = parts.controlNets;
    this.safetyChecker = parts.safetyChecker;
    this.index = index;
    this.#lora = new LoraAdapters(parts);
  }

  /**
   * Loads a folder in the diffusers layout (model_index.json beside `text_encoder`, `tokenizer`, `unet`,
   * `vae` and `scheduler`), or an original single-file checkpoint of Stable Diffusion 1.x or 2.x
   * (.safetensors, .ckpt). A checkpoint file holds weights alone: its configs and its tokenizer are read from
   * `config`, a folder in the diffusers layout, by default one of the file's name or the file's own folder.
   *
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_WEIGHTS_…`, `ERR_DEVICE_UNAVAILABLE`,
   * `ERR_INVALID_ARG`.
   */
  static async load(path: string, options: PipelineOptions = {}): Promise<Pipeline> {
    const loaded = await loadPipeline(path, options);
    const { signal } = options;
    const pipeline = new Pipeline(loaded);
    for (const { path: file, ...how } of loaded.embeddings) {
      await pipeline.loadTextualInversion(file, { ...how, signal });
    }
    for (const { path: file, ...how } of loaded.lora) {
      await pipeline.loadLora(file, { ...how, signal });
    }
    return pipeline;
  }

  /**
   * Loads the small model that comes with the package: 256 × 256 px frontal chest radiographs from a sentence, trained
   * on public data (models/default/README.md). For research, not for diagnosis.
   * `defaultModelSettings` are the steps and the guidance that suit it.
   *
   * @param options As {@link load}'s: a device, a dtype, other parts.
   * @throws `ERR_MODEL_NOT_FOUND` where the package was installed without its models.
   */
  static default(options: PipelineOptions = {}): Promise<Pipeline> {
    return Pipeline.load(defaultModelFolder, options);
  }

  /** What identifies the model: a SHA-256 over its weight files, each read once. */
  digest(): Promise<string> {
    const parts = [this.textEncoder, this.textProjection, this.unet, this.vae];
    return modelDigest(...parts.filter((part) => part !== undefined), ...this.#lora.sources);
  }

  /** The LoRA adapters that are loaded, with their scales. */
  get lora(): readonly LoraAdapter[] {
    return this.#lora.loaded;
  }

  /**
   * Loads an adapter for the U-Net, the text encoder or both, beside those that are there: LoRA weights as
   * diffusers, peft or kohya-ss write them. Images are made with it from now on.
   *
   * @param path A file, or a folder with pytorch_lora_weights.safetensors.
   * @returns The adapter's name.
   * @throws `ERR_WEIGHTS_UNEXPECTED_KEY` for weights that fit nowhere, `ERR_WEIGHTS_SHAPE`,
   * `ERR_WEIGHTS_MISSING_KEY`, `ERR_INVALID_ARG` for a name that is taken. Nothing changes then.
   */
  loadLora(path: string, options: Omit<LoraSource, 'path'> & JobOptions = {}): Promise<string> {
    return this.#lora.load(path, options);
  }

  /**
   * Sets how strong the named adapters are; the others are switched off. `{}` switches all off.
   *
   * @throws `ERR_INVALID_ARG` for names that are not loaded, and while the adapters are fused.
   */
  setLoraScales(scales: Readonly<Record<string, number>>, options: JobOptions = {}): Promise<void> {
    return this.#lora.setScales(scales, options);
  }

  /** Takes an adapter away, or all of them. `ERR_INVALID_ARG` as {@link setLoraScales}. */
  unloadLora(name?: string, options: JobOptions = {}): Promise<void> {
    return this.#lora.unload(name, options);
  }

  /** Puts the adapters into the weights at their present scales: no cost a step, more memory. */
  fuseLora(options: JobOptions = {}): Promise<void> {
    return this.#lora.fuse(options);
  }

  /** Gives the weights back that were there before {@link fuseLora}, bit for bit. */
  unfuseLora(options: JobOptions = {}): Promise<void> {
    return this.#lora.unfuse(options);
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
  generate(options: GenerateOptions): Promise<Generated> {
    return textToImage(this, options);
  }

  /**
   * Changes images as texts say, as diffusers' image-to-image pipeline does: the image is noised as far as
   * `strength` says and denoised from there. Several seeds give variations of one image.
   *
   * @throws As {@link Pipeline.generate}; `ERR_SHAPE` for sizes that do not suit the autoencoder,
   * `ERR_NON_FINITE` for pixels that are not numbers.
   */
  imageToImage(options: ImageToImageOptions): Promise<Generated> {
    return imageToImage(this, options);
  }

  /**
   * Paints the white part of a mask anew, as diffusers' inpainting pipeline does: with the U-Net of an
   * inpainting model (9 channels), or with any other by keeping the rest at the image's latents.
   *
   * @throws As {@link Pipeline.imageToImage}.
   */
  inpaint(options: InpaintOptions): Promise<Generated> {
    return inpaint(this, options);
  }

  /** Images through the autoencoder and back; see {@link reconstruct}. */
  async reconstruct(images: readonly Image[], options: ReconstructOptions = {}): Promise<Image[]> {
    return reconstruct(this.vae, images, options);
  }

  /**
   * Saves a folder in the diffusers layout, which diffusers and {@link Pipeline.load} read: the weights as
   * they are now, with their dtype unless another is asked for. Learned tokens, LoRA adapters that
   * are not fused, ControlNets and the safety checker stay in their own files, and the index names none.
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
    for (const controlNet of this.controlNets) controlNet.dispose();
    if (this.safetyChecker instanceof SafetyChecker) this.safetyChecker.dispose();
  }

  /** Whether any part was disposed of. */
  get disposed(): boolean {
    const { textEncoder, unet, vae } = this;
    return [textEncoder, unet, vae].some((part) => part.disposed);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
