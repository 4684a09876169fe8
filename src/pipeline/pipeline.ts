import { join } from 'node:path';
import { invalidArgument, LatentrayError } from '../errors.js';
import type { Image } from '../image/image.js';
import { Autoencoder } from '../models/autoencoder.js';
import { ControlNet } from '../models/controlnet.js';
import { exists, type ModelOptions, readJsonObject } from '../models/model-folder.js';
import { SafetyChecker } from '../models/safety-checker.js';
import { TextEncoder } from '../models/text-encoder.js';
import { UNet } from '../models/unet.js';
import { Scheduler, type SchedulerConfig } from '../scheduler.js';
import type { GenerateOptions } from './generate-options.js';
import { type ImageToImageOptions, imageToImage } from './image-to-image.js';
import { type InpaintOptions, inpaint } from './inpaint.js';
import { modelDigest } from './model-digest.js';
import { checkParts, chooseScheduler, type PipelineParts } from './parts.js';
import { type ReconstructOptions, reconstruct } from './reconstruct.js';
import type { Generated } from './run.js';
import type { SafetyCheck } from './safety-check.js';
import { textToImage } from './text-to-image.js';

/** How a pipeline is loaded; parts that are given replace the folder's. */
export interface PipelineOptions extends ModelOptions {
  readonly textEncoder?: string | TextEncoder;
  readonly unet?: string | UNet;
  readonly vae?: string | Autoencoder;
  /** A name that takes over the folder's config, a config, or a scheduler. */
  readonly scheduler?: string | SchedulerConfig | Scheduler;
  /** What `control` steers the U-Net with: a folder, a ControlNet, or several. */
  readonly controlNet?: string | ControlNet | readonly (string | ControlNet)[];
  /**
   * Looks at every image before it is returned: the folder's own (`true`), another folder's, or a function of
   * yours. @default none: nothing is checked
   */
  readonly safetyChecker?: true | string | SafetyChecker | SafetyCheck;
}

/**
 * Texts, or images and texts, to images: a text encoder, a U-Net, an autoencoder and a scheduler, as diffusers
 * saves them.
 */
export class Pipeline implements PipelineParts {
  readonly textEncoder: TextEncoder;
  readonly unet: UNet;
  readonly vae: Autoencoder;
  readonly scheduler: Scheduler;
  readonly controlNets: readonly ControlNet[];
  readonly safetyChecker: SafetyChecker | SafetyCheck | undefined;
  #digest: Promise<string> | undefined;

  private constructor(parts: PipelineParts) {
    this.textEncoder = parts.textEncoder;
    this.unet = parts.unet;
    this.vae = parts.vae;
    this.scheduler = parts.scheduler;
    this.controlNets = parts.controlNets;
    this.safetyChecker = parts.safetyChecker;
  }

  /**
   * Loads a folder in the diffusers layout: model_index.json beside `text_encoder`, `tokenizer`, `unet`,
   * `vae` and `scheduler`.
   *
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_WEIGHTS_…`, `ERR_DEVICE_UNAVAILABLE`.
   */
  static async load(path: string, options: PipelineOptions = {}): Promise<Pipeline> {
    await checkIndex(path, options);
    const { device, dtype, signal } = options;
    const model = { device, dtype, signal };
    const [textEncoder, unet, vae, scheduler, controlNets, safetyChecker] = await Promise.all([
      part(options.textEncoder, join(path, 'text_encoder'), (folder) =>
        TextEncoder.load(folder, model),
      ),
      part(options.unet, join(path, 'unet'), (folder) => UNet.load(folder, model)),
      part(options.vae, join(path, 'vae'), (folder) => Autoencoder.load(folder, model)),
      Scheduler.load(join(path, 'scheduler')),
      Promise.all(
        [options.controlNet ?? []]
          .flat()
          .map((given) => part(given, '', (folder) => ControlNet.load(folder, model))),
      ),
      loadSafetyChecker(options.safetyChecker, path, model),
    ]);
    const chosen = chooseScheduler(scheduler, options.scheduler);
    const parts = { textEncoder, unet, vae, scheduler: chosen, controlNets, safetyChecker };
    checkParts(parts);
    return new Pipeline(parts);
  }

  /** What identifies the model: a SHA-256 over its weight files, read once. */
  digest(): Promise<string> {
    this.#digest ??= modelDigest(
      [this.textEncoder, this.unet, this.vae].flatMap(({ weightFiles }) => weightFiles),
    );
    return this.#digest;
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

  /** Gives the memory of all parts back once running calls have ended. */
  dispose(): void {
    this.textEncoder.dispose();
    this.unet.dispose();
    this.vae.dispose();
    this.scheduler.dispose();
    for (const controlNet of this.controlNets) controlNet.dispose();
    if (this.safetyChecker instanceof SafetyChecker) this.safetyChecker.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

async function part<T extends object>(
  given: string | T | undefined,
  folder: string,
  load: (path: string) => Promise<T>,
): Promise<T> {
  return typeof given === 'object' ? given : load(given ?? folder);
}

async function loadSafetyChecker(
  given: PipelineOptions['safetyChecker'],
  folder: string,
  options: ModelOptions,
): Promise<SafetyChecker | SafetyCheck | undefined> {
  if (given === undefined || typeof given === 'function' || given instanceof SafetyChecker) {
    return given;
  }
  if (given === true) return SafetyChecker.load(join(folder, 'safety_checker'), options);
  if (typeof given === 'string') return SafetyChecker.load(given, options);
  throw invalidArgument('safetyChecker', 'true, a folder, a SafetyChecker or a function', given);
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
