import { handleOf, Tensor } from '../tensor.js';
import { type LabelledRecord, labelRows } from './classifier-targets.js';
import { openTrainingData, type TrainingData } from './data/training-data.js';
import type { TrainingSample } from './data/training-sample.js';

/** What a record's image is. */
export type ClassifierImage = TrainingSample['image'];

/** Images that are decoded at a time where their pixels are kept. */
const decodedAtOnce = 16;

/** @internal Pixels of images that are looked at again and again, as long as there is room. */
export class KeptPixels {
  readonly #kept = new Map<unknown, Float32Array>();
  #room: number;

  constructor(bytes = 2 ** 30) {
    this.#room = bytes;
  }

  /** [3, S, S] in [−1, 1] of an image, by its path or object. */
  get(image: ClassifierImage): Float32Array | undefined {
    return this.#kept.get(image);
  }

  hasRoomFor(bytes: number): boolean {
    return bytes <= this.#room;
  }

  add(image: ClassifierImage, pixels: Float32Array): void {
    this.#room -= pixels.byteLength;
    this.#kept.set(image, pixels);
  }
}

/** @internal A batch for a classifier. Its tensors are the reader's: dispose of it. */
export interface ClassifierBatch extends Disposable {
  /** [N, 3, S, S] in [−1, 1] */
  readonly pixels: Tensor;
  /** [N, labels]; NaN where a label is not known. */
  readonly labels: Tensor;
  readonly step: number;
  readonly sampleNumbers: readonly number[];
}

/** @internal Which images make a batch: {@link TrainingData} has the same. */
export interface ClassifierBatchRequest {
  readonly indices: readonly number[];
  readonly step: number;
  readonly sampleNumbers: readonly number[];
}

/** @internal What {@link ClassifierData} reads with. */
export interface ClassifierDataOptions {
  /** Pixels of both sides. */
  readonly size: number;
  readonly concurrency: number;
  readonly kept: KeptPixels;
  readonly signal: AbortSignal | undefined;
}

/** @internal Images with their labels. They are decoded once where there is room to keep them. */
export class ClassifierData {
  readonly digest: string;
  readonly #data: TrainingData;
  readonly #images: readonly ClassifierImage[];
  /** [N, labels] row by row. */
  readonly labels: Float32Array;
  readonly #width: number;
  readonly #options: ClassifierDataOptions;

  private constructor(
    data: TrainingData,
    images: readonly ClassifierImage[],
    labels: Float32Array,
    options: ClassifierDataOptions,
  ) {
    this.digest = data.digest;
    this.#data = data;
    this.#images = images;
    this.labels = labels;
    this.#width = labels.length / images.length;
    this.#options = options;
  }

  static async open(
    records: readonly (LabelledRecord & { readonly image: ClassifierImage })[],
    labels: readonly string[],
    options: ClassifierDataOptions,
  ): Promise<ClassifierData> {
    const { size, concurrency, signal } = options;
    const samples = records.map(({ id, image }) => ({ id, image, text: '' }));
    const data = await openTrainingData(samples, {
      resolution: size,
      resize: 'center-crop',
      concurrency,
      ...(signal && { signal }),
    });
    const images = samples.map(({ image }) => image);
    const opened = new ClassifierData(data, images, labelRows(records, labels), options);
    await opened.#keepPixels();
    return opened;
  }

  get length(): number {
    return this.#images.length;
  }

  /** Batches in the order of the requests. */
  async *batches(requests: Iterable<ClassifierBatchRequest>): AsyncGenerator<ClassifierBatch> {
    const { signal } = this.#options;
    if (this.#images.every((image) => this.#options.kept.get(image))) {
      for (const request of requests) yield this.#batch(request, this.#pixelsOf(request.indices));
      return;
    }
    for await (const { pixels, ...request } of this.#data.prefetch(requests, {
      ...(signal && { signal }),
    })) {
      yield this.#batch(request, pixels);
    }
  }

  dispose(): void {
    this.#data.close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #keepPixels(): Promise<void> {
    const { kept, size, signal } = this.#options;
    const missing = this.#images.flatMap((image, index) => (kept.get(image) ? [] : [index]));
    const each = 3 * size * size;
    if (!kept.hasRoomFor(missing.length * each * Float32Array.BYTES_PER_ELEMENT)) return;
    const requests = Array.from({ length: Math.ceil(missing.length / decodedAtOnce) }, (_, step) =>
      missing.slice(step * decodedAtOnce, (step + 1) * decodedAtOnce),
    ).map((indices, step) => ({ indices, step, sampleNumbers: indices }));
    for await (using batch of this.#data.prefetch(requests, { ...(signal && { signal }) })) {
      const pixels = batch.pixels.data() as Float32Array;
      batch.indices.forEach((index, row) => {
        kept.add(
          this.#images[index] as ClassifierImage,
          pixels.slice(row * each, (row + 1) * each),
        );
      });
    }
  }

  #pixelsOf(indices: readonly number[]): Tensor {
    const { size, kept } = this.#options;
    const each = 3 * size * size;
    const pixels = new Float32Array(indices.length * each);
    indices.forEach((index, row) => {
      pixels.set(kept.get(this.#images[index] as ClassifierImage) as Float32Array, row * each);
    });
    return Tensor.from(pixels, { shape: [indices.length, 3, size, size] });
  }

  #batch({ indices, step, sampleNumbers }: ClassifierBatchRequest, pixels: Tensor) {
    const width = this.#width;
    const rows = indices.flatMap((i) => [...this.labels.subarray(i * width, (i + 1) * width)]);
    const labels = Tensor.from(Float32Array.from(rows), { shape: [indices.length, width] });
    const dispose = () => {
      pixels.dispose();
      labels.dispose();
    };
    return { pixels, labels, step, sampleNumbers, [Symbol.dispose]: dispose };
  }
}

/** @internal What the native trainer takes of a batch. */
export function batchHandles({ pixels, labels, sampleNumbers }: ClassifierBatch) {
  return { pixels: handleOf(pixels), labels: handleOf(labels), sampleNumbers };
}
