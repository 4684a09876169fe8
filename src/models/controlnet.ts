import { invalidArgument } from '../errors.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { ControlNetHandle, ControlResidualHandles } from '../native/addon-types.js';
import { NativeObject } from '../native/native-object.js';
import { parseOptions } from '../parse-options.js';
import { type DType, handleOf, Tensor } from '../tensor.js';
import {
  type CheckpointOptions,
  checkpointOptions,
  type ModelFolder,
  openModelFolder,
  sourceOf,
} from './model-folder.js';

/** What a ControlNet sees. */
export interface ControlNetInputs {
  /** Noisy latents as the U-Net sees them, [N, C, h, w]. */
  readonly sample: Tensor;
  /** One training timestep for all rows, or one a row. */
  readonly timestep: number | readonly number[];
  /** The text encoder's states, [N, L, D]. */
  readonly encoderHiddenStates: Tensor;
  /** [N, L], 0 where a token must not be attended to. */
  readonly encoderAttentionMask?: Tensor;
  /** The structure, [N, 3, h · downscale, w · downscale] in [0, 1]. */
  readonly image: Tensor;
  /** What its outputs are multiplied by. @default 1 */
  readonly scale?: number;
  /**
   * Steering without a prompt: the outputs grow from a tenth of `scale` at the first skip to all of it in the
   * middle, in equal ratios (diffusers' `guess_mode`). @default false
   */
  readonly guessMode?: boolean;
}

/** What a ControlNet adds to a U-Net. */
export interface ControlResiduals {
  /** For each of the U-Net's skips, in their order. */
  readonly down: readonly Tensor[];
  /** For its middle. */
  readonly mid: Tensor;
}

/**
 * A network that steers a U-Net by an image of structure, such as edges or a segmentation (diffusers'
 * `ControlNetModel`; Zhang et al., "Adding Conditional Control to Text-to-Image Diffusion Models").
 */
export class ControlNet extends NativeObject {
  readonly #handle: ControlNetHandle;
  /** The published config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The files that the weights came from. */
  readonly weightFiles: readonly string[];

  private constructor(handle: ControlNetHandle, folder: ModelFolder) {
    super(handle);
    this.#handle = handle;
    this.config = folder.config;
    this.weightFiles = folder.weightFiles;
  }

  /**
   * Loads a folder with config.json and diffusion_pytorch_model.safetensors (or its shards).
   *
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_WEIGHTS_…`, `ERR_DEVICE_UNAVAILABLE`.
   */
  static async load(path: string, options: CheckpointOptions = {}): Promise<ControlNet> {
    const model = parseOptions(checkpointOptions, options, 'ControlNet.load');
    const folder = await openModelFolder(path, model);
    const handle = await runJob(model.signal, (token) =>
      addon().loadControlNet(sourceOf(folder, model), token),
    );
    return new ControlNet(handle, folder);
  }

  /** @internal */
  get handle(): ControlNetHandle {
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

  /** Pixels of the structure a latent, along each side. */
  get downscale(): number {
    return this.#handle.options.downscale;
  }

  /**
   * What to hand to {@link UNet.forward} as `controlResiduals`.
   *
   * @throws `ERR_SHAPE` or `ERR_DTYPE` naming the input that does not fit.
   */
  async forward(inputs: ControlNetInputs, options: JobOptions = {}): Promise<ControlResiduals> {
    const { sample, timestep, encoderHiddenStates, encoderAttentionMask, image } = inputs;
    const { scale = 1, guessMode = false } = inputs;
    if (!Number.isFinite(scale)) throw invalidArgument('scale', 'a number', scale);
    if (typeof guessMode !== 'boolean') throw invalidArgument('guessMode', 'a boolean', guessMode);
    const timesteps = timestepsOf(timestep);
    const { down, mid } = await runJob(options.signal, (token) =>
      addon().controlNetForward(
        this.#handle,
        handleOf(sample),
        timesteps,
        handleOf(encoderHiddenStates),
        handleOf(image),
        { scale, guessMode },
        encoderAttentionMask ? handleOf(encoderAttentionMask) : null,
        token,
      ),
    );
    return { down: down.map((handle) => new Tensor(handle)), mid: new Tensor(mid) };
  }
}

/** @internal */
export function residualHandles({ down, mid }: ControlResiduals): ControlResidualHandles {
  return { down: down.map((residual) => handleOf(residual)), mid: handleOf(mid) };
}

/** @internal One timestep for all rows, or one a row. */
export function timestepsOf(timestep: number | readonly number[]): readonly number[] {
  const timesteps = typeof timestep === 'number' ? [timestep] : timestep;
  if (Array.isArray(timesteps) && timesteps.every(Number.isFinite)) return timesteps;
  throw invalidArgument('timestep', 'a number, or an array of numbers', timestep);
}
