import type { Image } from '../image/image.js';
import type { ParsedAugmentConfig } from './augment-options.js';
import { type Classification, classify } from './image-classifier.js';
import { type AgreementCheck, agreementOf } from './label-agreement.js';
import { NearestReal } from './nearest-real.js';
import { isBlank, similarityOf } from './pixel-vector.js';
import { type RealImages, vectorOf } from './real-images.js';
import type { Slot } from './slots.js';

/** How near an image is to another one, and from where on that is too near. */
export interface NearnessCheck {
  readonly similarity: number;
  /** `null` where nothing says what is too near. */
  readonly limit: number | null;
  /** The `id` of the real record, or the file of the synthetic image. */
  readonly nearest: string;
}

/** What was found of an image; `null` for what was not looked at. */
export interface ImageChecks {
  /** Against the nearest real image, by the correlation of pixels. */
  readonly realPixels: NearnessCheck | null;
  /** Against the nearest real image, by the cosine of the classifier's features. */
  readonly realFeatures: NearnessCheck | null;
  /** Against the nearest image of the same prompt that was accepted before it, by the correlation of pixels. */
  readonly samePrompt: NearnessCheck | null;
  readonly classifier: AgreementCheck | null;
}

/** @internal An image that is to be judged. */
export interface Candidate {
  readonly slot: Slot;
  readonly image: Image;
  /** Whether the pipeline's safety checker made it black. */
  readonly flagged: boolean;
}

/** @internal What the gate says of an image. */
export interface Verdict {
  readonly reasons: readonly string[];
  readonly checks: ImageChecks;
}

/** @internal An image of the block that was accepted, for those of its prompt that come after it. */
interface Accepted {
  readonly slot: Slot;
  readonly vector: Float32Array;
}

/** What an image is, for its checks. */
interface Measured {
  readonly vector: Float32Array;
  readonly realPixels: NearnessCheck | null;
  readonly realFeatures: NearnessCheck | null;
  readonly classifier: AgreementCheck | null;
}

/** Real images in one space, and from which similarity on an image is too near to one. */
interface Space {
  readonly real: NearestReal;
  readonly limit: number | undefined;
}

type GateOptions = ParsedAugmentConfig['gate'];

/** @internal What images have to pass. Create a {@link BlockGate} for each block. */
export class QualityGate {
  readonly #options: GateOptions;
  readonly #pixels: Space | undefined;
  readonly #features: Space | undefined;

  private constructor(
    options: GateOptions,
    pixels: Space | undefined,
    features: Space | undefined,
  ) {
    this.#options = options;
    this.#pixels = pixels;
    this.#features = features;
  }

  static async open(
    options: GateOptions,
    { records, vectors, features }: RealImages,
    signal: AbortSignal | undefined,
  ): Promise<QualityGate> {
    const { tooNear, maxSimilarity } = options;
    const open = async (rows: readonly Float32Array[] | undefined, given?: number) => {
      if (tooNear === false || !rows || rows.length === 0) return undefined;
      const real = new NearestReal(records, rows);
      return { real, limit: given ?? (await real.limit(tooNear, signal)) };
    };
    const pixels = await open(vectors, maxSimilarity);
    return new QualityGate(options, pixels, await open(features));
  }

  /** From which similarity on an image is too near, by space. */
  get limits(): { readonly pixels: number | undefined; readonly features: number | undefined } {
    return { pixels: this.pixelLimit, features: this.#features?.limit };
  }

  get pixelLimit(): number | undefined {
    const { tooNear, maxSimilarity } = this.#options;
    return tooNear === false ? undefined : (this.#pixels?.limit ?? maxSimilarity);
  }

  /** Where a block's images are judged, in order. */
  block(): BlockGate {
    return new BlockGate(this);
  }

  vector(image: Image, signal: AbortSignal | undefined): Promise<Float32Array> {
    return vectorOf(image, this.#options.fit, signal);
  }

  async measure(
    candidates: readonly Candidate[],
    signal: AbortSignal | undefined,
  ): Promise<Measured[]> {
    const { classifier, minProbability } = this.#options;
    const images = candidates.map(({ image }) => image);
    const vectors: Float32Array[] = [];
    for (const image of images) vectors.push(await this.vector(image, signal));
    const classes = classifier && (await classify(classifier, images, signal));
    const features = classes?.map((each) => each.features as Float32Array);
    const pixelChecks = await nearestIn(this.#pixels, vectors, signal);
    const featureChecks = await nearestIn(this.#features, features ?? [], signal);
    return candidates.map(({ slot }, i) => ({
      vector: vectors[i] as Float32Array,
      realPixels: pixelChecks[i] ?? null,
      realFeatures: featureChecks[i] ?? null,
      classifier:
        classifier && classes
          ? agreementOf(slot.labels, classifier, classes[i] as Classification, minProbability)
          : null,
    }));
  }

  dispose(): void {
    this.#pixels?.real.dispose();
    this.#features?.real.dispose();
  }
}

async function nearestIn(
  space: Space | undefined,
  vectors: readonly Float32Array[],
  signal: AbortSignal | undefined,
): Promise<NearnessCheck[]> {
  if (!space) return [];
  const found = await space.real.nearest(vectors, signal);
  return found.map(({ similarity, id }) => ({
    similarity,
    limit: space.limit ?? null,
    nearest: id,
  }));
}

/** @internal Judges the images of one block; what it accepts, later ones are compared with. */
export class BlockGate {
  readonly #gate: QualityGate;
  readonly #accepted: Accepted[] = [];

  constructor(gate: QualityGate) {
    this.#gate = gate;
  }

  async judge(
    candidates: readonly Candidate[],
    signal: AbortSignal | undefined,
  ): Promise<Verdict[]> {
    const measured = await this.#gate.measure(candidates, signal);
    return candidates.map((candidate, i) => this.#verdict(candidate, measured[i] as Measured));
  }

  /** An image that was accepted before the process was started anew. */
  async remember(slot: Slot, image: Image, signal: AbortSignal | undefined): Promise<void> {
    this.#accepted.push({ slot, vector: await this.#gate.vector(image, signal) });
  }

  #verdict({ slot, flagged }: Candidate, { vector, ...found }: Measured): Verdict {
    const checks = { ...found, samePrompt: this.#nearestOfPrompt(slot, vector) };
    const failed = {
      flagged,
      blank: isBlank(vector),
      realPixels: isTooNear(checks.realPixels),
      realFeatures: isTooNear(checks.realFeatures),
      samePrompt: isTooNear(checks.samePrompt),
      classifier: checks.classifier?.agrees === false,
    };
    const reasons = Object.entries(failed).flatMap(([name, fails]) => (fails ? [name] : []));
    if (reasons.length === 0) this.#accepted.push({ slot, vector });
    return { reasons, checks };
  }

  #nearestOfPrompt({ prompt }: Slot, vector: Float32Array): NearnessCheck | null {
    let best: NearnessCheck | null = null;
    for (const { slot, vector: other } of this.#accepted) {
      if (slot.prompt !== prompt) continue;
      const similarity = similarityOf(vector, other);
      if (best && best.similarity >= similarity) continue;
      best = { similarity, limit: this.#gate.pixelLimit ?? null, nearest: slot.file };
    }
    return best;
  }
}

function isTooNear(check: NearnessCheck | null): boolean {
  return check !== null && check.limit !== null && check.similarity > check.limit;
}
