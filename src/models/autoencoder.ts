import { join } from 'node:path';
import { z } from 'zod';
import { readEnvironment } from '../environment.js';
import { invalidArgument } from '../errors.js';
import { changedConfig } from '../json.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { AutoencoderHandle, ModelSource, Pieces } from '../native/addon-types.js';
import { NativeObject } from '../native/native-object.js';
import { NoiseSource, noiseHandleOf } from '../noise-source.js';
import { checkedLater, checkPath, jobOptions, parseOptions } from '../parse-options.js';
import { type DType, handleOf, Tensor } from '../tensor.js';
import { exists } from './json-files.js';
import {
  type CheckpointOptions,
  checkModelDtype,
  checkpointOptions,
  openModelFolder,
  sourceOf,
} from './model-folder.js';
import { type NewModelOptions, newModel, newModelOptions } from './new-model.js';
import { type SaveOptions, saveModel } from './save-model.js';

/** How large images are worked on. */
export interface PieceOptions {
  /** One image of the batch at a time: less memory, same result. @default false */
  readonly slicing?: boolean;
  /**
   * Tiles of this side in pixels (`true`: the model's own) blended at their borders: bounds the memory of
   * large images. Tiles do not see beyond their borders, so results differ slightly. @default false
   */
  readonly tiling?: boolean | number;
}

/** @internal {@link PieceOptions}. */
export const pieceOptions = z.strictObject({
  slicing: z.boolean().optional(),
  tiling: checkedLater<boolean | number>(),
});
const pieceJobOptions = z.strictObject({ ...pieceOptions.shape, ...jobOptions.shape });

/** What an encoder says of images. */
export interface Encoded {
  /** The mean: the latents to use where nothing is drawn. [N, latent channels, H/8, W/8], unscaled. */
  readonly latents: Tensor;
  /** The same tensor as `latents`. */
  readonly mean: Tensor;
  /** The logarithm of the variance, within [−30, 20]; undefined for a tiny autoencoder. */
  readonly logvar: Tensor | undefined;
  /**
   * Draws latents of the shape of `mean`: mean + exp(logvar / 2) · noise. A tiny autoencoder's are the mean.
   *
   * @param seed 0 … 2⁶⁴ − 1, or generators to go on drawing from (one, or one an image).
   */
  sample(seed: number | bigint | NoiseSource, options?: JobOptions): Promise<Tensor>;
}

/**
 * Images to latents and back: diffusers' `AutoencoderKL` and `AutoencoderTiny`, and TAESD's own two-file
 * layout (TAESD, TAEF1, TAEF2). Pixels are in [−1, 1]; latents are the model's own, unscaled.
 */
export class Autoencoder extends NativeObject {
  readonly #handle: AutoencoderHandle;
  #config: Readonly<Record<string, unknown>>;
  /** The files that the weights came from; none for a new one. */
  readonly weightFiles: readonly string[];

  private constructor(
    handle: AutoencoderHandle,
    config: Record<string, unknown>,
    weightFiles: readonly string[],
  ) {
    super(handle);
    this.#handle = handle;
    this.#config = config;
    this.weightFiles = weightFiles;
  }

  /**
   * Loads a folder: config.json with diffusion_pytorch_model.safetensors (its shards, its variant, or .bin),
   * or `*_encoder.safetensors` with `*_decoder.safetensors`; or a checkpoint file: of the autoencoder alone,
   * also under its original names, or an original Stable Diffusion checkpoint.
   *
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_WEIGHTS_…`, `ERR_DEVICE_UNAVAILABLE`.
   */
  static async load(path: string, options: CheckpointOptions = {}): Promise<Autoencoder> {
    const model = parseOptions(checkpointOptions, options, 'Autoencoder.load');
    checkPath(path);
    const pair = await taesdFiles(path);
    if (pair) return Autoencoder.#loadTaesd(path, pair, model);
    const folder = await openModelFolder(path, model);
    const handle = await runJob(model.signal, (token) =>
      addon().loadAutoencoder(sourceOf(folder, model), token),
    );
    return new Autoencoder(handle, folder.config, folder.weightFiles);
  }

  /**
   * An autoencoder with random float32 weights, as PyTorch's layers draw them: to be trained from the start.
   *
   * @param config What config.json holds, with diffusers' keys: `_class_name` says which of the two it is,
   * and what it does not say takes that class's defaults.
   * @throws `ERR_CONFIG_INVALID`, `ERR_INVALID_ARG`, `ERR_DEVICE_UNAVAILABLE`, `ERR_OUT_OF_MEMORY`.
   */
  static async create(
    config: Readonly<Record<string, unknown>>,
    options: NewModelOptions = {},
  ): Promise<Autoencoder> {
    const parsed = parseOptions(newModelOptions, options, 'Autoencoder.create');
    const { folder, source, seed } = newModel(config, parsed, 'Autoencoder.create');
    const handle = await runJob(parsed.signal, (token) =>
      addon().createAutoencoder(source, token, seed),
    );
    return new Autoencoder(handle, folder.config, []);
  }

  static async #loadTaesd(path: string, files: string[], options: CheckpointOptions) {
    const { device = readEnvironment().device ?? 'cpu', dtype = 'float32' } = options;
    checkModelDtype(dtype);
    const source: ModelSource = { config: '{}', origin: path, files, device, dtype };
    const handle = await runJob(options.signal, (token) => addon().loadTaesd(source, token));
    return new Autoencoder(handle, {}, files);
  }

  /** @internal */
  get handle(): AutoencoderHandle {
    return this.#handle;
  }

  /** The published config.json; empty for TAESD's layout, which has none. */
  get config(): Readonly<Record<string, unknown>> {
    return this.#config;
  }

  get device(): string {
    return this.#handle.device;
  }

  get dtype(): DType {
    return this.#handle.dtype;
  }

  /** Channels of the latents: 4 for Stable Diffusion 1.x and 2.x. */
  get latentChannels(): number {
    return this.#handle.latentSpace.latentChannels;
  }

  /** Pixels a latent, along each side: 8 for Stable Diffusion. */
  get downscale(): number {
    return this.#handle.latentSpace.downscale;
  }

  /** What a diffusion model multiplies these latents by (`scaling_factor`): 0.18215 for Stable Diffusion 1.x. */
  get scalingFactor(): number {
    return this.#handle.latentSpace.scalingFactor;
  }

  /**
   * Sets what a diffusion model multiplies these latents by, here and in the config that {@link
   * Autoencoder.save} writes. A diffusion model goes with the factor that it was trained with.
   *
   * @param factor - Above 0; {@link measureLatentScale} finds it.
   * @throws `ERR_INVALID_ARG`, also for a tiny autoencoder, whose latents are scaled already.
   */
  async setScalingFactor(factor: number, options: JobOptions = {}): Promise<void> {
    const { signal } = parseOptions(jobOptions, options, 'setScalingFactor');
    if (!Number.isFinite(factor) || factor <= 0)
      throw invalidArgument('factor', 'a number above 0', factor);
    await runJob(signal, async (token) => addon().setScalingFactor(this.#handle, factor, token));
    this.#config = changedConfig(this.#config, { scaling_factor: factor });
  }

  /**
   * Encodes pixels [N, 3, H, W] in [−1, 1], of the model's dtype and on its device.
   *
   * @throws `ERR_SHAPE` for other dimensions or channels, and when H or W is no multiple of
   * {@link Autoencoder.downscale}; `ERR_DTYPE`; `ERR_INVALID_ARG` for another device.
   */
  async encode(pixels: Tensor, options: PieceOptions & JobOptions = {}): Promise<Encoded> {
    const { signal, ...given } = parseOptions(pieceJobOptions, options, 'encode');
    const pieces = this.#pieces(given);
    const input = handleOf(pixels, 'pixels');
    const { mean, logvar } = await runJob(signal, (token) =>
      addon().autoencoderEncode(this.#handle, input, pieces, token),
    );
    const latents = new Tensor(mean);
    return {
      latents,
      mean: latents,
      logvar: logvar && new Tensor(logvar),
      sample: async (seed, sampleOptions = {}) => {
        const { signal } = parseOptions(jobOptions, sampleOptions, 'sample');
        const source = seed instanceof NoiseSource ? seed : new NoiseSource(seed);
        return new Tensor(
          await runJob(signal, (token) =>
            addon().sampleLatents(mean, logvar ?? null, noiseHandleOf(source), token),
          ),
        );
      },
    };
  }

  /**
   * Decodes latents [N, latent channels, h, w], of the model's dtype and on its device, to pixels
   * [N, 3, h · downscale, w · downscale], about [−1, 1], not clamped.
   *
   * @throws `ERR_SHAPE`, `ERR_DTYPE`; `ERR_INVALID_ARG` for another device.
   */
  decode(latents: Tensor, options: PieceOptions & JobOptions = {}): Promise<Tensor> {
    return this.#decode(latents, false, options);
  }

  /**
   * Decodes latents of the diffusion model: undoes {@link Autoencoder.scale}, then decodes.
   *
   * @throws as {@link Autoencoder.decode}.
   */
  decodeScaled(latents: Tensor, options: PieceOptions & JobOptions = {}): Promise<Tensor> {
    return this.#decode(latents, true, options);
  }

  /**
   * This autoencoder's latents [N, latent channels, h, w] as the diffusion model sees them: times the scaling
   * factor, after the shift and each channel's mean and deviation where the config has these.
   *
   * @throws `ERR_SHAPE`.
   */
  async scale(latents: Tensor, options: JobOptions = {}): Promise<Tensor> {
    const { signal } = parseOptions(jobOptions, options, 'scale');
    const input = handleOf(latents, 'latents');
    return new Tensor(
      await runJob(signal, (token) => addon().scaleLatents(this.#handle, input, token)),
    );
  }

  async #decode(latents: Tensor, scaled: boolean, options: PieceOptions & JobOptions) {
    const { signal, ...given } = parseOptions(pieceJobOptions, options, 'decode');
    const pieces = this.#pieces(given);
    const input = handleOf(latents, 'latents');
    return new Tensor(
      await runJob(signal, (token) =>
        addon().autoencoderDecode(this.#handle, input, scaled, pieces, token),
      ),
    );
  }

  #pieces({ slicing = false, tiling = false }: PieceOptions): Pieces {
    if (tiling === false) return { slicing, tileSize: null };
    const tileSize = tiling === true ? this.#handle.latentSpace.tileSize : tiling;
    if (!Number.isSafeInteger(tileSize) || tileSize < 1) {
      throw invalidArgument('tiling', 'true, false or a tile size in pixels', tiling);
    }
    return { slicing, tileSize };
  }

  /**
   * Saves config.json and diffusion_pytorch_model.safetensors into a folder, as diffusers and transformers read them.
   *
   * @throws `ERR_WRITE`, `ERR_DISPOSED`.
   */
  async save(folder: string, options: SaveOptions = {}): Promise<void> {
    await saveModel(
      this,
      folder,
      'diffusion_pytorch_model.safetensors',
      options,
      (path, dtype, token) => addon().autoencoderSave(this.#handle, path, dtype, token),
    );
  }
}

const taesdNames = ['taesd', 'taesdxl', 'taesd3', 'taef1', 'taef2'];

/** The encoder's and the decoder's file of TAESD's layout, if `path` holds them. */
async function taesdFiles(path: string): Promise<string[] | undefined> {
  for (const name of taesdNames) {
    const files = ['encoder', 'decoder'].map((part) => join(path, `${name}_${part}.safetensors`));
    const present = await Promise.all(files.map(exists));
    if (present.every(Boolean)) return files;
  }
  return undefined;
}
