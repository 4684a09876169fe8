import type { Image } from '../image/image.js';
import type { ParsedAugmentConfig } from './augment-options.js';
import { type Nearest, NearestReal } from './nearest-real.js';
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
  /** Against the nearest image of the same prompt that was accepted before it, by the correlation of pixels. */
  readonly samePrompt: NearnessCheck | null;
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

/** @internal What images have to pass. Create a {@link BlockGate} for each block. */
export class QualityGate {
  readonly #real: NearestReal | undefined;
  readonly #fit: ParsedAugmentConfig['gate']['fit'];
  /** From which similarity on an image is too near. */
  readonly limit: number | undefined;

  private constructor(
    real: NearestReal | undefined,
    limit: number | undefined,
    fit: ParsedAugmentConfig['gate']['fit'],
  ) {
    this.#real = real;
    this.limit = limit;
    this.#fit = fit;
  }

  static async open(
    { tooNear, maxSimilarity, fit }: ParsedAugmentConfig['gate'],
    { records, vectors }: RealImages,
    signal: AbortSignal | undefined,
  ): Promise<QualityGate> {
    if (tooNear === false) return new QualityGate(undefined, undefined, fit);
    const real = vectors && vectors.length > 0 ? new NearestReal(records, vectors) : undefined;
    const limit = maxSimilarity ?? (await real?.limit(tooNear, signal));
    return new QualityGate(real, limit, fit);
  }

  /** Where a block's images are judged, in order. */
  block(): BlockGate {
    return new BlockGate(this);
  }

  vector(image: Image, signal: AbortSignal | undefined): Promise<Float32Array> {
    return vectorOf(image, this.#fit, signal);
  }

  async nearestReal(
    vectors: readonly Float32Array[],
    signal: AbortSignal | undefined,
  ): Promise<(Nearest | undefined)[]> {
    return this.#real ? this.#real.nearest(vectors, signal) : vectors.map(() => undefined);
  }

  dispose(): void {
    this.#real?.dispose();
  }
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
    const vectors: Float32Array[] = [];
    for (const { image } of candidates) vectors.push(await this.#gate.vector(image, signal));
    const nearest = await this.#gate.nearestReal(vectors, signal);
    return candidates.map((candidate, index) =>
      this.#verdict(candidate, vectors[index] as Float32Array, nearest[index]),
    );
  }

  /** An image that was accepted before the process was started anew. */
  async remember(slot: Slot, image: Image, signal: AbortSignal | undefined): Promise<void> {
    this.#accepted.push({ slot, vector: await this.#gate.vector(image, signal) });
  }

  #verdict(
    { slot, flagged }: Candidate,
    vector: Float32Array,
    nearest: Nearest | undefined,
  ): Verdict {
    const limit = this.#gate.limit ?? null;
    const realPixels = nearest
      ? { similarity: nearest.similarity, limit, nearest: nearest.id }
      : null;
    const samePrompt = this.#nearestOfPrompt(slot, vector);
    const reasons = [
      ...(flagged ? ['flagged'] : []),
      ...(isBlank(vector) ? ['blank'] : []),
      ...(isTooNear(realPixels) ? ['realPixels'] : []),
      ...(isTooNear(samePrompt) ? ['samePrompt'] : []),
    ];
    if (reasons.length === 0) this.#accepted.push({ slot, vector });
    return { reasons, checks: { realPixels, samePrompt } };
  }

  #nearestOfPrompt({ prompt }: Slot, vector: Float32Array): NearnessCheck | null {
    let best: NearnessCheck | null = null;
    for (const { slot, vector: other } of this.#accepted) {
      if (slot.prompt !== prompt) continue;
      const similarity = similarityOf(vector, other);
      if (best && best.similarity >= similarity) continue;
      best = { similarity, limit: this.#gate.limit ?? null, nearest: slot.file };
    }
    return best;
  }
}

function isTooNear(check: NearnessCheck | null): boolean {
  return check !== null && check.limit !== null && check.similarity > check.limit;
}
