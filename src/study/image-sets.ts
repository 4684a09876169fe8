import { z } from 'zod';
import {
  Classifier,
  FeatureExtractor,
  FeatureStatistics,
  type Image,
  metrics,
  modelDigest,
} from '../index.js';

/** The networks that a study measures sets of images with. */
export interface MeasuringOptions {
  /** Tells labels, and its features are compared: a `Classifier` that was trained on real images, or its folder. */
  readonly classifier?: Classifier | string | undefined;
  /** Networks by name whose features are compared, such as Inception for FID. */
  readonly featureExtractors?: Readonly<Record<string, FeatureExtractor>> | undefined;
}

/** @internal The classes are looked up when options are checked: index.ts, which has them, loads this file too. */
export const measuringOptions = {
  classifier: z
    .custom<Classifier | string>(
      (value) => (typeof value === 'string' && value !== '') || value instanceof Classifier,
      'expected a Classifier or its folder',
    )
    .optional(),
  featureExtractors: z
    .record(
      z.string().min(1),
      z.custom<FeatureExtractor>(
        (value) => value instanceof FeatureExtractor,
        'expected a FeatureExtractor',
      ),
    )
    .default({}),
};

/** How far two sets of images are from each other in the features of one network. */
export interface SetDistance extends metrics.FrechetDistance {
  /** `classifier`, or the name that the extractor was given. */
  readonly network: string;
}

/** Images that a network takes at a time. */
const imagesAtOnce = 8;
const classifierName = 'classifier';

/** Networks that are open. Dispose of them. */
export class MeasuringNetworks {
  readonly classifier: Classifier | undefined;
  readonly extractors: Readonly<Record<string, FeatureExtractor>>;
  readonly #owned: boolean;

  private constructor(
    classifier: Classifier | undefined,
    extractors: Readonly<Record<string, FeatureExtractor>>,
    owned: boolean,
  ) {
    this.classifier = classifier;
    this.extractors = extractors;
    this.#owned = owned;
  }

  static async open(
    { classifier, featureExtractors = {} }: MeasuringOptions,
    device: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<MeasuringNetworks> {
    const owned = typeof classifier === 'string';
    const opened = owned ? await Classifier.load(classifier, { device, signal }) : classifier;
    return new MeasuringNetworks(opened, featureExtractors, owned);
  }

  /** What the networks are, for the report. */
  async facts(): Promise<Record<string, unknown>> {
    const { classifier } = this;
    const isNew = classifier?.weightFiles.length === 0;
    return {
      ...(classifier && {
        classifier: {
          labels: classifier.labels,
          digest: isNew ? null : await modelDigest(classifier),
        },
      }),
      ...(Object.keys(this.extractors).length > 0 && {
        featureExtractors: Object.keys(this.extractors),
      }),
    };
  }

  [Symbol.dispose](): void {
    if (this.#owned) this.classifier?.dispose();
  }
}

/** What networks make of a set of images: features' statistics, and a classifier's probabilities image by image. */
export class MeasuredSet {
  readonly #networks: MeasuringNetworks;
  readonly #statistics = new Map<string, FeatureStatistics>();
  /** In the order that images were added; of the classifier's labels. */
  readonly probabilities: Float32Array[] = [];

  constructor(networks: MeasuringNetworks) {
    this.#networks = networks;
  }

  /** Images of one size. */
  async add(images: readonly Image[], signal: AbortSignal | undefined): Promise<void> {
    for (let start = 0; start < images.length; start += imagesAtOnce) {
      await this.#addBatch(images.slice(start, start + imagesAtOnce), { signal });
    }
  }

  /** This set and another as one; both stay as they are. */
  async and(other: MeasuredSet, signal: AbortSignal | undefined): Promise<MeasuredSet> {
    const both = new MeasuredSet(this.#networks);
    for (const set of [this, other]) {
      both.probabilities.push(...set.probabilities);
      for (const [name, statistics] of set.#statistics) {
        await both.#of(name).merge(statistics, { signal });
      }
    }
    return both;
  }

  /** In each network's features; none where a set has fewer than two images. */
  async distances(other: MeasuredSet, signal: AbortSignal | undefined): Promise<SetDistance[]> {
    const found: SetDistance[] = [];
    for (const [network, statistics] of this.#statistics) {
      const others = other.#statistics.get(network);
      if (!others || Math.min(statistics.count, others.count) < 2) continue;
      const distance = await metrics.frechetDistance(statistics, others, { signal });
      found.push({ network, ...distance });
    }
    return found;
  }

  async #addBatch(
    images: readonly Image[],
    job: { readonly signal: AbortSignal | undefined },
  ): Promise<void> {
    const { classifier, extractors } = this.#networks;
    if (classifier) {
      const { features, logits, probabilities } = await classifier.forward([...images], job);
      await this.#of(classifierName).add(features, job);
      const rows = probabilities.data() as Float32Array;
      const width = classifier.labels.length;
      this.probabilities.push(...images.map((_, i) => rows.slice(i * width, (i + 1) * width)));
      for (const tensor of [features, logits, probabilities]) tensor.dispose();
    }
    for (const [name, extractor] of Object.entries(extractors)) {
      const rows = await extractor.forward([...images], job);
      await this.#of(name).add(rows, job);
      for (const tensor of [rows.features, rows.logits, rows.probabilities]) tensor.dispose();
    }
  }

  #of(name: string): FeatureStatistics {
    let statistics = this.#statistics.get(name);
    if (!statistics) {
      statistics = new FeatureStatistics();
      this.#statistics.set(name, statistics);
    }
    return statistics;
  }
}
