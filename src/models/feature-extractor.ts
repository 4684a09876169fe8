import { basename } from 'node:path';
import { z } from 'zod';
import { invalidArgument } from '../errors.js';
import { Image } from '../image/image.js';
import { imagesToTensorData, toUnitPixels } from '../image/pixel-layout.js';
import type { FeatureRows } from '../metrics/feature-statistics.js';
import type { ImageBatch } from '../metrics/image-batch.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { FeatureNetworkHandle, ModelSource } from '../native/addon-types.js';
import { NativeObject } from '../native/native-object.js';
import { checkPath, jobOptions, parseOptions, placedJobOptions } from '../parse-options.js';
import { type DType, handleOf, Tensor } from '../tensor.js';
import { isFile } from './json-files.js';
import {
  type CheckpointOptions,
  checkpointOptions,
  type ModelOptions,
  openModelFolder,
  sourceOf,
} from './model-folder.js';
import { findWeightFiles } from './weight-files.js';

/**
 * How images come to Inception's 299 × 299 pixels. Figures differ by it, so it is part of each result's
 * `source`: `'clean-fid'` is bicubic with antialiasing, as PIL; `'pytorch-fid'` is bilinear without, and so is
 * `'torch-fidelity'`, with TensorFlow 1's pixel grid (torchmetrics' too).
 */
export type FidMode = 'clean-fid' | 'pytorch-fid' | 'torch-fidelity';

/** Inception's layers by the width of their features, averaged over space; FID is defined on the last. */
export type InceptionLayer = '64' | '192' | '768' | '2048';

/** How an Inception network is loaded. */
export interface InceptionOptions extends ModelOptions {
  /** @default 'clean-fid' */
  readonly mode?: FidMode | undefined;
}

/** How a DenseNet is loaded. */
export interface DenseNetOptions extends ModelOptions {
  /** The classes' names, in order. @default torchxrayvision's where there are 18 */
  readonly labels?: readonly string[] | undefined;
}

/** Which features are given. */
export interface ExtractOptions extends JobOptions {
  /** Inception's: `'64'`, `'192'`, `'768'`. @default the last */
  readonly layer?: InceptionLayer | undefined;
}

/** What a network makes of a batch of images; on the CPU, in float32. */
export interface ExtractedFeatures extends FeatureRows {
  /**
   * [N, classes]. Those of FID's network are without the bias, as its published scores are. A network without
   * classes (CLIP) gives an empty [N, 0].
   */
  readonly logits: Tensor;
  /**
   * [N, classes], 0 … 1: of each label on its own for a DenseNet (torchxrayvision's are moved so that 0.5 is
   * each label's threshold), over all classes for Inception.
   */
  readonly probabilities: Tensor;
}

const inceptionOptions = z.strictObject({
  ...placedJobOptions.shape,
  variant: z.string().optional(),
  mode: z.enum(['clean-fid', 'pytorch-fid', 'torch-fidelity']).default('clean-fid'),
});

const denseNetOptions = z.strictObject({
  ...placedJobOptions.shape,
  variant: z.string().optional(),
  labels: z.array(z.string()).optional(),
});

const extractOptions = z.strictObject({
  ...jobOptions.shape,
  layer: z.enum(['64', '192', '768', '2048']).optional(),
});

/** What torchxrayvision's classifiers of 18 labels say, in their order. */
const radiographLabels: readonly string[] = [
  'Atelectasis',
  'Consolidation',
  'Infiltration',
  'Pneumothorax',
  'Edema',
  'Emphysema',
  'Fibrosis',
  'Effusion',
  'Pneumonia',
  'Pleural_Thickening',
  'Cardiomegaly',
  'Nodule',
  'Mass',
  'Hernia',
  'Lung Lesion',
  'Fracture',
  'Lung Opacity',
  'Enlarged Cardiomediastinum',
];

interface Description {
  readonly network: 'inception' | 'densenet' | 'clip';
  readonly layer: string;
  readonly mode: FidMode | undefined;
  readonly labels: readonly string[];
  readonly weightFiles: readonly string[];
}

/**
 * A network whose inner activations stand for what an image shows. Distances of sets of images are made of
 * its features, and a classifier's probabilities come with them.
 */
export class FeatureExtractor extends NativeObject {
  readonly #handle: FeatureNetworkHandle;
  readonly #layer: string;
  readonly network: 'inception' | 'densenet' | 'clip';
  /** How images are resized for Inception. */
  readonly mode: FidMode | undefined;
  /** The classes' names in the order of the logits; empty where nobody said them. */
  readonly labels: readonly string[];
  /** The files that the weights came from. */
  readonly weightFiles: readonly string[];

  private constructor(handle: FeatureNetworkHandle, description: Description) {
    super(handle);
    this.#handle = handle;
    this.#layer = description.layer;
    this.network = description.network;
    this.mode = description.mode;
    this.labels = description.labels;
    this.weightFiles = description.weightFiles;
  }

  /**
   * Inception v3: the network of FID (`pt_inception-2015-12-05-6726825d.pth`, 1008 classes) or torchvision's
   * (1000 classes), told apart by the file.
   *
   * @param path a file of weights, or a folder with model.safetensors.
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_WEIGHTS_…`, `ERR_DTYPE`, `ERR_DEVICE_UNAVAILABLE`.
   */
  static async inception(path: string, options: InceptionOptions = {}): Promise<FeatureExtractor> {
    const { mode, ...model } = parseOptions(
      inceptionOptions,
      options,
      'FeatureExtractor.inception',
    );
    const source = await weightsAt(path, model);
    const handle = await runJob(model.signal, (token) =>
      addon().loadInception(source, token, mode),
    );
    const weightFiles = source.files;
    return new FeatureExtractor(handle, {
      network: 'inception',
      layer: '2048',
      mode,
      labels: [],
      weightFiles,
    });
  }

  /**
   * A DenseNet of any depth: torchxrayvision's state dictionary (one channel, 18 labels, thresholds) or
   * torchvision's (three channels, normalised as ImageNet).
   *
   * @param path a file of weights, or a folder with model.safetensors.
   * @throws as {@link FeatureExtractor.inception}; `ERR_INVALID_ARG` for another number of labels.
   */
  static async densenet(path: string, options: DenseNetOptions = {}): Promise<FeatureExtractor> {
    const { labels, ...model } = parseOptions(
      denseNetOptions,
      options,
      'FeatureExtractor.densenet',
    );
    const source = await weightsAt(path, model);
    const handle = await runJob(model.signal, (token) => addon().loadDenseNet(source, token));
    const { classes } = handle;
    if (labels && labels.length !== classes) {
      handle.dispose();
      throw invalidArgument('labels', `${classes} names`, labels.length);
    }
    const known = classes === radiographLabels.length ? radiographLabels : [];
    return new FeatureExtractor(handle, {
      network: 'densenet',
      layer: 'features',
      mode: undefined,
      labels: labels ?? known,
      weightFiles: source.files,
    });
  }

  /**
   * CLIP's image half: the projected embedding, which is compared with texts'. Images are prepared as CLIP's
   * image processor does, whatever their size: bicubic, the middle square.
   *
   * @param path a published folder with config.json, of a whole CLIP or of its image half.
   * @throws as {@link FeatureExtractor.inception}; `ERR_CONFIG_INVALID`.
   */
  static async clip(path: string, options: CheckpointOptions = {}): Promise<FeatureExtractor> {
    const model = parseOptions(checkpointOptions, options, 'FeatureExtractor.clip');
    const folder = await openModelFolder(path, model);
    const source = sourceOf(folder, model);
    const handle = await runJob(model.signal, (token) =>
      addon().loadClipImageFeatures(source, token),
    );
    return new FeatureExtractor(handle, {
      network: 'clip',
      layer: 'features',
      mode: undefined,
      labels: [],
      weightFiles: source.files,
    });
  }

  get device(): string {
    return this.#handle.device;
  }

  get dtype(): DType {
    return this.#handle.dtype;
  }

  /** How many classes the logits have; 0 for CLIP. */
  get classes(): number {
    return this.#handle.classes;
  }

  /**
   * The features of a batch. Resizing and normalising are the network's: give images as they are.
   *
   * @param images one image, several of one size, or a tensor [N, 1 or 3, H, W] in [0, 1].
   * @throws `ERR_SHAPE`, `ERR_DTYPE`, `ERR_NON_FINITE`; `ERR_INVALID_ARG` for pixels outside [0, 1], images of
   * several sizes, or a layer that the network has not.
   */
  async forward(images: ImageBatch, options: ExtractOptions = {}): Promise<ExtractedFeatures> {
    const parsed = parseOptions(extractOptions, options, 'forward');
    const { layer = this.#layer, signal } = parsed;
    const source = this.sourceOf(parsed.layer);
    const pixels = pixelsOf(images);
    const handle = handleOf(pixels);
    const pending = runJob(signal, (token) =>
      addon().featureNetworkForward(this.#handle, handle, layer, token),
    );
    if (pixels !== images) pixels.dispose();
    const found = await pending;
    const features = new Tensor(found.features);
    const none = () => Tensor.zeros([features.shape[0] ?? 0, 0]);
    return {
      features,
      logits: found.logits ? new Tensor(found.logits) : none(),
      probabilities: found.probabilities ? new Tensor(found.probabilities) : none(),
      source,
    };
  }

  /**
   * What features of this network carry as their `source`.
   *
   * @throws `ERR_INVALID_ARG` for a layer that the network has not.
   */
  sourceOf(layer?: InceptionLayer): string {
    if (layer !== undefined && this.network !== 'inception') {
      throw invalidArgument('layer', 'nothing: this network has one', layer);
    }
    const files = this.weightFiles.map((file) => basename(file)).join(', ');
    return [this.network, layer ?? this.#layer, this.mode, files].filter(Boolean).join(' ');
  }
}

async function weightsAt(path: string, options: ModelOptions): Promise<ModelSource> {
  checkPath(path);
  const files = (await isFile(path)) ? [path] : await findWeightFiles(path, options.variant);
  return sourceOf({ path, configPath: path, config: {}, weightFiles: files }, options);
}

/** @internal [N, 1, H, W] of grey images, [N, 3, H, W] of others, in [0, 1]. */
export function pixelsOf(batch: ImageBatch): Tensor {
  if (batch instanceof Tensor) return batch;
  const images = batch instanceof Image ? [batch] : batch;
  if (!Array.isArray(images)) throw invalidArgument('images', 'images or a tensor', batch);
  const { data, shape } = imagesToTensorData(images);
  if (images.some((image) => image.channels !== 1)) {
    return Tensor.from(
      data.map((value) => value / 2 + 0.5),
      { shape },
    );
  }
  const [count, , height, width] = shape;
  const grey = new Float32Array(count * height * width);
  for (const [i, image] of images.entries()) grey.set(toUnitPixels(image), i * height * width);
  return Tensor.from(grey, { shape: [count, 1, height, width] });
}
