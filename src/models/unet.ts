import { z } from 'zod';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { UNetHandle } from '../native/addon-types.js';
import { NativeObject } from '../native/native-object.js';
import { checkedLater, jobOptions, parseOptions } from '../parse-options.js';
import { type DType, handleOf, Tensor } from '../tensor.js';
import { type ControlResiduals, residualHandles, timestepsOf } from './controlnet.js';
import {
  type CheckpointOptions,
  checkpointOptions,
  type ModelFolder,
  openModelFolder,
  sourceOf,
} from './model-folder.js';
import { type NewModelOptions, newModel, newModelOptions } from './new-model.js';
import { type SaveOptions, saveModel } from './save-model.js';

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
  /** [N, {@link UNet.timeCondProjDim}], for networks that take the guidance scale as an input. */
  readonly timestepCond?: Tensor;
  /** What {@link ControlNet.forward} gave. */
  readonly controlResiduals?: ControlResiduals;
}

const unetInputs = z.strictObject({
  sample: checkedLater<Tensor>(),
  timestep: checkedLater<number | readonly number[]>(),
  encoderHiddenStates: checkedLater<Tensor>(),
  encoderAttentionMask: checkedLater<Tensor>(),
  timestepCond: checkedLater<Tensor>(),
  controlResiduals: checkedLater<ControlResiduals>(),
});

/**
 * The conditional U-Net of Stable Diffusion 1.x and 2.x (diffusers' `UNet2DConditionModel`): predicts the
 * noise, or the velocity, in latents.
 */
export class UNet extends NativeObject {
  readonly #handle: UNetHandle;
  /** The published config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The files that the weights came from; none for a new one. */
  readonly weightFiles: readonly string[];

  private constructor(handle: UNetHandle, folder: ModelFolder) {
    super(handle);
    this.#handle = handle;
    this.config = folder.config;
    this.weightFiles = folder.weightFiles;
  }

  /**
   * Loads a folder with config.json and diffusion_pytorch_model.safetensors (its shards, its variant, or
   * .bin), or a checkpoint file: of the U-Net alone, or an original Stable Diffusion checkpoint.
   *
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_WEIGHTS_CORRUPT`, `ERR_WEIGHTS_MISSING_KEY`,
   * `ERR_WEIGHTS_UNEXPECTED_KEY`, `ERR_WEIGHTS_SHAPE`, `ERR_DEVICE_UNAVAILABLE`.
   */
  static async load(path: string, options: CheckpointOptions = {}): Promise<UNet> {
    const model = parseOptions(checkpointOptions, options, 'UNet.load');
    const folder = await openModelFolder(path, model);
    const handle = await runJob(model.signal, (token) =>
      addon().loadUNet(sourceOf(folder, model), token),
    );
    return new UNet(handle, folder);
  }

  /**
   * A U-Net with random float32 weights, as PyTorch's layers draw them: to be trained from the start.
   *
   * @param config What config.json holds, with diffusers' keys; what it does not say takes the defaults of
   * `UNet2DConditionModel`.
   * @throws `ERR_CONFIG_INVALID`, `ERR_INVALID_ARG`, `ERR_DEVICE_UNAVAILABLE`, `ERR_OUT_OF_MEMORY`.
   */
  static async create(
    config: Readonly<Record<string, unknown>>,
    options: NewModelOptions = {},
  ): Promise<UNet> {
    const parsed = parseOptions(newModelOptions, options, 'UNet.create');
    const { folder, source, seed } = newModel(config, parsed, 'UNet.create');
    const handle = await runJob(parsed.signal, (token) => addon().createUNet(source, token, seed));
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

  /** Width of the guidance scale's embedding, in networks that guide themselves (LCM); else undefined. */
  get timeCondProjDim(): number | undefined {
    return this.#handle.options.timeCondProjDim ?? undefined;
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
    const given = parseOptions(unetInputs, inputs, 'UNet.forward');
    const { signal } = parseOptions(jobOptions, options, 'UNet.forward');
    const timesteps = timestepsOf(given.timestep as UNetInputs['timestep']);
    const sample = handleOf(given.sample, 'sample');
    const states = handleOf(given.encoderHiddenStates, 'encoderHiddenStates');
    const { encoderAttentionMask, timestepCond, controlResiduals } = given;
    const conditions = {
      encoderAttentionMask: encoderAttentionMask
        ? handleOf(encoderAttentionMask, 'encoderAttentionMask')
        : null,
      timestepCond: timestepCond ? handleOf(timestepCond, 'timestepCond') : null,
      controlResiduals: controlResiduals ? residualHandles(controlResiduals) : null,
    };
    return new Tensor(
      await runJob(signal, (token) =>
        addon().unetForward(this.#handle, sample, timesteps, states, conditions, token),
      ),
    );
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
      (path, dtype, token) => addon().unetSave(this.#handle, path, dtype, token),
    );
  }
}
