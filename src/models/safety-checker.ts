import { invalidArgument } from '../errors.js';
import type { Image } from '../image/image.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { SafetyCheckerHandle } from '../native/addon-types.js';
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

/**
 * Stable Diffusion's published safety checker (diffusers' `StableDiffusionSafetyChecker`): CLIP's view of an
 * image, compared with concepts that it is not to show. It knows photographs of the web and nothing of
 * medicine.
 */
export class SafetyChecker extends NativeObject {
  readonly #handle: SafetyCheckerHandle;
  /** The published config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The files that the weights came from. */
  readonly weightFiles: readonly string[];

  private constructor(handle: SafetyCheckerHandle, folder: ModelFolder) {
    super(handle);
    this.#handle = handle;
    this.config = folder.config;
    this.weightFiles = folder.weightFiles;
  }

  /**
   * Loads a folder with config.json and model.safetensors. Images are prepared as CLIP's image processor does
   * with its defaults.
   *
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_WEIGHTS_…`, `ERR_DEVICE_UNAVAILABLE`.
   */
  static async load(path: string, options: CheckpointOptions = {}): Promise<SafetyChecker> {
    const model = parseOptions(checkpointOptions, options, 'SafetyChecker.load');
    const folder = await openModelFolder(path, model);
    const handle = await runJob(model.signal, (token) =>
      addon().loadSafetyChecker(sourceOf(folder, model), token),
    );
    return new SafetyChecker(handle, folder);
  }

  get device(): string {
    return this.#handle.device;
  }

  get dtype(): DType {
    return this.#handle.dtype;
  }

  /** Whether each image shows one of the concepts: RGB, 8 bits, as pipelines make them. */
  async check(images: readonly Image[], options: JobOptions = {}): Promise<boolean[]> {
    const scores = await Promise.all(images.map((image) => this.scores(image, options)));
    return scores.map((row) => row.some((score) => score > 0));
  }

  /** How far an image is beyond the threshold of each concept; above 0 shows it. */
  async scores(image: Image, options: JobOptions = {}): Promise<Float32Array> {
    const { width, height, channels, data } = image;
    if (channels !== 3 || !(data instanceof Uint8Array)) {
      throw invalidArgument('image', 'RGB of 8 bits', `${channels} channels of ${image.bitDepth}`);
    }
    const bytes = Tensor.from(data, { shape: [1, height, width, 3] });
    using scores = new Tensor(
      await runJob(options.signal, (token) =>
        addon().safetyCheckerScores(this.#handle, handleOf(bytes), token),
      ),
    );
    return Float32Array.from(scores.data() as Float32Array);
  }
}
