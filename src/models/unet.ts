import { z } from 'zod';
import { invalidArgument } from '../errors.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { UNetHandle } from '../native/addon-types.js';
import { checkedLater, jobOptions, parseOptions, placedJobOptions } from '../parse-options.js';
import { type DType, handleOf, Tensor } from '../tensor.js';
import { type ModelFolder, type ModelOptions, openModelFolder, sourceOf } from './model-folder.js';

/** What a U-Net sees. */
export interface UNetInputs {
  /** Noisy latents, [N, C, H, W]; any H and W. */
  readonly sample: Tensor;
  /** One training timestep for all rows, or one a row; 0 … 999, fractions allowed. */
  readonly timestep: number | readonly number[];
  /** The text encoder's states, [N, L, D]. */
  readonly encoderHiddenStates: Tensor;
  /** [N, L], int64 or bool: 0 where a token must not be attended to. */
  readonly encoderAttentionMask?: Tensor;
}

const unetInputs = z.strictObject({
  sample: checkedLater<Tensor>(),
  timestep: checkedLater<number | readonly number[]>(),
  encoderHiddenStates: checkedLater<Tensor>(),
  encoderAttentionMask: checkedLater<Tensor>(),
});

/**
 * The conditional U-Net of Stable Diffusion 1.x and 2.x (diffusers' `UNet2DConditionModel`): predicts the
 * noise, or the velocity, in latents.
 */
export class UNet {
  readonly #handle: UNetHandle;
  /** The published config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The files that the weights came from. */
  readonly weightFiles: readonly string[];

  private constructor(handle: UNetHandle, folder: ModelFolder) {
    this.#handle = handle;
    this.config = folder.config;
    this.weightFiles = folder.weightFiles;
  }

  /**
   * Loads a folder with config.json and diffusion_pytorch_model.safetensors (or its shards).
   *
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_WEIGHTS_CORRUPT`, `ERR_WEIGHTS_MISSING_KEY`,
   * `ERR_WEIGHTS_UNEXPECTED_KEY`, `ERR_WEIGHTS_SHAPE`, `ERR_DEVICE_UNAVAILABLE`.
   */
  static async load(path: string, options: ModelOptions = {}): Promise<UNet> {
    const model = parseOptions(placedJobOptions, options, 'UNet.load');
    const folder = await openModelFolder(path);
    const handle = await runJob(model.signal, (token) =>
      addon().loadUNet(sourceOf(folder, model), token),
    );
    return new UNet(handle, folder);
  }

  /** @internal */
  get handle(): UNetHandle {
    return this.#handle;
  }

  get device(): string {
    return this.#handle.device;
  }

  get dtype(): DType {
    return this.#handle.dtype;
  }

  /** Channels of the latents that it takes. */
  get inChannels(): number {
    return this.#handle.options.inChannels;
  }

  /** The width of the text states that it attends to. */
  get crossAttentionDim(): number {
    return this.#handle.options.crossAttentionDim;
  }

  /**
   * One prediction, [N, out_channels, H, W].
   *
   * @throws `ERR_SHAPE`, `ERR_DTYPE` or `ERR_INVALID_ARG` naming the input that does not fit.
   */
  async forward(inputs: UNetInputs, options: JobOptions = {}): Promise<Tensor> {
    const { sample, timestep, encoderHiddenStates, encoderAttentionMask } = parseOptions(
      unetInputs,
      inputs,
      'UNet.forward',
    );
    const { signal } = parseOptions(jobOptions, options, 'UNet.forward');
    const timesteps = typeof timestep === 'number' ? [timestep] : timestep;
    if (!Array.isArray(timesteps) || !timesteps.every(Number.isFinite)) {
      throw invalidArgument('timestep', 'a number, or an array of numbers', timestep);
    }
    const latents = handleOf(sample, 'sample');
    const states = handleOf(encoderHiddenStates, 'encoderHiddenStates');
    const mask = encoderAttentionMask
      ? handleOf(encoderAttentionMask, 'encoderAttentionMask')
      : null;
    return new Tensor(
      await runJob(signal, (token) =>
        addon().unetForward(this.#handle, latents, timesteps, states, mask, token),
      ),
    );
  }

  /** Gives the memory back once running calls have ended. */
  dispose(): void {
    this.#handle.dispose();
  }

  get disposed(): boolean {
    return this.#handle.disposed;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
