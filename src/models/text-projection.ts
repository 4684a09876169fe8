import { z } from 'zod';
import { readEnvironment } from '../environment.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { TextProjectionHandle } from '../native/addon-types.js';
import { NativeObject } from '../native/native-object.js';
import { parseOptions } from '../parse-options.js';
import { type DType, handleOf, Tensor } from '../tensor.js';
import {
  type CheckpointOptions,
  checkModelDtype,
  checkpointOptions,
  type ModelOptions,
  openModelFolder,
  sourceOf,
} from './model-folder.js';
import { type SaveOptions, saveModel } from './save-model.js';

/** config.json's content; the keys are those of diffusers' PixArtAlphaTextProjection. */
export interface TextProjectionConfig {
  readonly in_features: number;
  readonly out_features: number;
  /** The width of the hidden layer; null is one linear layer. */
  readonly hidden_size: number | null;
  readonly act_fn: string;
}

/** A projection that has learned nothing yet. */
export interface TextProjectionOptions extends ModelOptions {
  /** The width of the text encoder's states. */
  readonly inFeatures: number;
  /** The width that the U-Net attends to. */
  readonly outFeatures: number;
  /** `'mlp'` has one hidden layer; `'linear'` has none. @default 'mlp' */
  readonly type?: 'linear' | 'mlp';
  /** The width of the hidden layer. @default outFeatures */
  readonly hiddenSize?: number | undefined;
  /** The hidden layer's activation: gelu, gelu_pytorch_tanh, relu, silu … @default 'gelu_pytorch_tanh' */
  readonly activation?: string;
  /** Draws the weights, as PyTorch's nn.Linear after torch.manual_seed. @default 0 */
  readonly seed?: number | bigint;
}

const createOptions = z.strictObject({
  inFeatures: z.int().positive(),
  outFeatures: z.int().positive(),
  type: z.enum(['linear', 'mlp']).default('mlp'),
  hiddenSize: z.int().positive().optional(),
  activation: z.string().default('gelu_pytorch_tanh'),
  seed: z.union([z.int().nonnegative(), z.bigint().nonnegative()]).default(0),
  device: z.string().optional(),
  dtype: z.string().optional(),
  signal: z.instanceof(AbortSignal).optional(),
});

/**
 * From a text encoder's width to the width that a U-Net attends to: what lets another encoder take CLIP's
 * place. It has to be trained; a new one is random.
 *
 * Source: Chambon et al., "Adapting Pretrained Vision-Language Foundational Models to Medical Imaging
 * Domains" (2022), https://arxiv.org/abs/2210.04133: its textual projection has one hidden layer.
 */
export class TextProjection extends NativeObject {
  readonly #handle: TextProjectionHandle;
  readonly config: TextProjectionConfig;
  /** The files that the weights came from; none for a new one. */
  readonly weightFiles: readonly string[];

  private constructor(
    handle: TextProjectionHandle,
    config: TextProjectionConfig,
    weightFiles: readonly string[],
  ) {
    super(handle);
    this.#handle = handle;
    this.config = config;
    this.weightFiles = weightFiles;
  }

  /**
   * A new projection with random weights.
   *
   * @throws `ERR_INVALID_ARG`, `ERR_CONFIG_INVALID` for an activation that is not there.
   */
  static async create(options: TextProjectionOptions): Promise<TextProjection> {
    const parsed = parseOptions(createOptions, options, 'TextProjection.create');
    const { device = readEnvironment().device ?? 'cpu', dtype = 'float32' } = options;
    checkModelDtype(dtype);
    const config: TextProjectionConfig = {
      in_features: parsed.inFeatures,
      out_features: parsed.outFeatures,
      hidden_size: parsed.type === 'mlp' ? (parsed.hiddenSize ?? parsed.outFeatures) : null,
      act_fn: parsed.activation,
    };
    const source = {
      config: JSON.stringify(config),
      origin: 'TextProjection.create',
      files: [],
      device,
      dtype,
    };
    const handle = await runJob(parsed.signal, (token) =>
      addon().createTextProjection(source, token, BigInt(parsed.seed)),
    );
    return new TextProjection(handle, config, []);
  }

  /**
   * Loads a folder with config.json and model.safetensors.
   *
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_WEIGHTS_…`.
   */
  static async load(path: string, options: CheckpointOptions = {}): Promise<TextProjection> {
    const model = parseOptions(checkpointOptions, options, 'TextProjection.load');
    const folder = await openModelFolder(path, model);
    const handle = await runJob(model.signal, (token) =>
      addon().loadTextProjection(sourceOf(folder, model), token),
    );
    const config = folder.config as unknown as TextProjectionConfig;
    return new TextProjection(handle, config, folder.weightFiles);
  }

  /** @internal */
  get handle(): TextProjectionHandle {
    return this.#handle;
  }

  get device(): string {
    return this.#handle.device;
  }

  get dtype(): DType {
    return this.#handle.dtype;
  }

  get inFeatures(): number {
    return this.#handle.inFeatures;
  }

  get outFeatures(): number {
    return this.#handle.outFeatures;
  }

  /** [N, L, inFeatures] → [N, L, outFeatures]. `ERR_SHAPE` or `ERR_DTYPE` for states that do not fit. */
  async forward(states: Tensor, options: JobOptions = {}): Promise<Tensor> {
    const input = handleOf(states);
    return new Tensor(
      await runJob(options.signal, (token) =>
        addon().textProjectionForward(this.#handle, input, token),
      ),
    );
  }

  /** Saves config.json and model.safetensors; {@link load} reads them. `ERR_WRITE`, `ERR_DISPOSED`. */
  async save(folder: string, options: SaveOptions = {}): Promise<void> {
    const config = { _class_name: 'TextProjection', ...this.config };
    const { disposed } = this;
    await saveModel(
      { disposed, config },
      folder,
      'model.safetensors',
      options,
      (path, dtype, token) => addon().textProjectionSave(this.#handle, path, dtype, token),
    );
  }
}
