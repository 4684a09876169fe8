import { z } from 'zod';
import { LatentrayError } from '../errors.js';
import type { Image } from '../image/image.js';
import type { ImageBatch } from '../metrics/image-batch.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { FeatureNetworkHandle } from '../native/addon-types.js';
import { NativeObject } from '../native/native-object.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { modelDigest } from '../pipeline/model-digest.js';
import { type DType, handleOf, Tensor } from '../tensor.js';
import { pixelsOf } from './feature-extractor.js';
import {
  type CheckpointOptions,
  checkpointOptions,
  type ModelFolder,
  openModelFolder,
  sourceOf,
} from './model-folder.js';
import { type NewModelOptions, newModel, newModelOptions } from './new-model.js';
import { type SaveOptions, saveModel } from './save-model.js';

/** What a classifier makes of a batch of images; on the CPU, in float32. */
export interface ClassifierOutput {
  /** [N, D]: the last stage, averaged over space. */
  readonly features: Tensor;
  /** [N, labels] */
  readonly logits: Tensor;
  /** [N, labels], 0 … 1, of each label on its own. */
  readonly probabilities: Tensor;
}

/** What a classifier says of one image. */
export interface ClassifiedImage {
  /** In the order of {@link Classifier.labels}. */
  readonly probabilities: Float32Array;
  readonly features: Float32Array;
}

/** What a new classifier is made of; names are those of transformers' `ResNetConfig`. */
export interface ClassifierConfig {
  readonly labels: readonly string[];
  /** Pixels along each side of what the network sees. @default 128 */
  readonly image_size?: number | undefined;
  /** 1: grey; 3: colours. @default 1 */
  readonly num_channels?: 1 | 3 | undefined;
  /** Channels of the first convolution. @default 32 */
  readonly embedding_size?: number | undefined;
  /** Channels of each stage. @default [32, 64, 128, 256] */
  readonly hidden_sizes?: readonly number[] | undefined;
  /** Blocks of each stage. @default [2, 2, 2, 2] */
  readonly depths?: readonly number[] | undefined;
}

const imagesAtOnce = 32;

/** @internal {@link ClassifierConfig}. */
export const classifierConfig = z.strictObject({
  labels: z.array(z.string().min(1)).min(1),
  image_size: z.int().positive().default(128),
  num_channels: z.literal([1, 3]).default(1),
  embedding_size: z.int().positive().default(32),
  hidden_sizes: z.array(z.int().positive()).min(1).default([32, 64, 128, 256]),
  depths: z.array(z.int().positive()).min(1).default([2, 2, 2, 2]),
});

/**
 * A small residual network that says of each label, on its own, whether an image shows it. It is trained here
 * ({@link trainClassifier}), so that studies need nobody's weights. Not for diagnosis.
 */
export class Classifier extends NativeObject {
  readonly #handle: FeatureNetworkHandle;
  /** The published config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The files that the weights came from; none for a new one. */
  readonly weightFiles: readonly string[];
  /** What it tells, in the order of its outputs. */
  readonly labels: readonly string[];

  private constructor(handle: FeatureNetworkHandle, folder: ModelFolder) {
    super(handle);
    this.#handle = handle;
    this.config = folder.config;
    this.weightFiles = folder.weightFiles;
    this.labels = labelsOf(folder);
  }

  /**
   * Loads a folder with config.json (`id2label` names the labels) and model.safetensors.
   *
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_WEIGHTS_…`, `ERR_DEVICE_UNAVAILABLE`.
   */
  static async load(path: string, options: CheckpointOptions = {}): Promise<Classifier> {
    const model = parseOptions(checkpointOptions, options, 'Classifier.load');
    const folder = await openModelFolder(path, model);
    labelsOf(folder); // before anything is read that is large
    const handle = await runJob(model.signal, (token) =>
      addon().loadResNet(sourceOf(folder, model), token),
    );
    return new Classifier(handle, folder);
  }

  /**
   * A classifier with random float32 weights, as PyTorch's layers draw them.
   *
   * @throws `ERR_CONFIG_INVALID`, `ERR_INVALID_ARG`, `ERR_DEVICE_UNAVAILABLE`.
   */
  static async create(
    config: ClassifierConfig,
    options: NewModelOptions = {},
  ): Promise<Classifier> {
    const { labels, ...network } = parseOptions(classifierConfig, config, 'Classifier.create');
    const published = {
      model_type: 'resnet',
      layer_type: 'basic',
      num_labels: labels.length,
      id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
      ...network,
    };
    const parsed = parseOptions(newModelOptions, options, 'Classifier.create');
    const { folder, source, seed } = newModel(published, parsed, 'Classifier.create');
    const handle = await runJob(parsed.signal, (token) =>
      addon().createResNet(source, token, seed),
    );
    return new Classifier(handle, folder);
  }

  /** @internal */
  get handle(): FeatureNetworkHandle {
    return this.#handle;
  }

  get device(): string {
    return this.#handle.device;
  }

  get dtype(): DType {
    return this.#handle.dtype;
  }

  /** Pixels along each side of what the network sees. */
  get imageSize(): number {
    return this.config.image_size as number;
  }

  /** A SHA-256 over its weight files. */
  digest(): Promise<string> {
    return modelDigest(this);
  }

  /**
   * The middle square of each image, brought to the network's size.
   *
   * @param images one image, several of one size, or a tensor [N, 1 or 3, H, W] in [0, 1].
   * @throws `ERR_SHAPE`, `ERR_DTYPE`, `ERR_NON_FINITE`; `ERR_INVALID_ARG` for pixels outside [0, 1].
   */
  async forward(images: ImageBatch, options: JobOptions = {}): Promise<ClassifierOutput> {
    const { signal } = parseOptions(jobOptions, options, 'forward');
    const pixels = pixelsOf(images);
    const handle = handleOf(pixels);
    const pending = runJob(signal, (token) =>
      addon().featureNetworkForward(this.#handle, handle, 'features', token),
    );
    if (pixels !== images) pixels.dispose();
    const found = await pending;
    const { features, logits, probabilities } = found as Required<typeof found>; // it has labels
    return {
      features: new Tensor(features),
      logits: new Tensor(logits),
      probabilities: new Tensor(probabilities),
    };
  }

  /** What it says of each image; they may be of any sizes. @throws as {@link forward}. */
  async classify(images: readonly Image[], options: JobOptions = {}): Promise<ClassifiedImage[]> {
    const found: ClassifiedImage[] = [];
    for (const group of groupsOfOneSize(images)) {
      const { features, logits, probabilities } = await this.forward(group, options);
      const [rows, chances] = [rowsOf(features), rowsOf(probabilities)];
      found.push(
        ...rows.map((row, i) => ({
          features: row,
          probabilities: chances[i] as Float32Array,
        })),
      );
      for (const tensor of [features, logits, probabilities]) tensor.dispose();
    }
    return found;
  }

  /** Writes config.json and model.safetensors. @throws `ERR_WRITE`, `ERR_DISPOSED`. */
  async save(folder: string, options: SaveOptions = {}): Promise<void> {
    await saveModel(this, folder, 'model.safetensors', options, (path, dtype, token) =>
      addon().featureNetworkSave(this.#handle, path, dtype, token),
    );
  }
}

function labelsOf({ config, configPath }: ModelFolder): readonly string[] {
  const names = Object.entries((config.id2label ?? {}) as Record<string, unknown>)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, name]) => String(name));
  if (names.length === config.num_labels) return names;
  throw new LatentrayError(
    'ERR_CONFIG_INVALID',
    `${configPath}: id2label: expected a name for each of num_labels, ${config.num_labels}, found ${names.length}`,
    { path: configPath, key: 'id2label' },
  );
}

/** Neighbours of one size, so many that a batch pays. */
function groupsOfOneSize(images: readonly Image[]): Image[][] {
  const groups: Image[][] = [];
  for (const image of images) {
    const group = groups.at(-1);
    const first = group?.[0];
    const fits = first?.width === image.width && first.height === image.height;
    if (group && fits && first.channels === image.channels && group.length < imagesAtOnce) {
      group.push(image);
    } else {
      groups.push([image]);
    }
  }
  return groups;
}

/** Copies, since the tensor is disposed of. */
function rowsOf(tensor: Tensor): Float32Array[] {
  const [count = 0, width = 0] = tensor.shape;
  const data = tensor.data() as Float32Array;
  return Array.from({ length: count }, (_, i) => data.slice(i * width, (i + 1) * width));
}
