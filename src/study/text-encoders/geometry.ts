import { cosineSimilarity, metrics } from '../../index.js';
import type { Embeddings } from './embeddings.js';

/** How vectors lie in their space. */
export interface GeometryResult {
  /** Mean cosine of two different texts: 0 where directions are used evenly, 1 where all are one. */
  readonly meanCosine: number;
  /** The share of all variance along the first principal component. */
  readonly firstComponent: number;
  /** (Σλ)² / Σλ²: about how many directions the variance is spread over. */
  readonly effectiveDimensions: number;
}

/** Points of a map: two principal components. */
export interface EmbeddingMap {
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Shares of the variance along x and y. */
  readonly variance: readonly [number, number];
}

export async function geometryOf(
  { vectors }: Embeddings,
  signal: AbortSignal | undefined,
): Promise<{ readonly geometry: GeometryResult; readonly map: EmbeddingMap }> {
  using cosines = await cosineSimilarity(vectors, vectors, { signal });
  using total = await cosines.sum([], false, { signal });
  const [count = 0] = vectors.shape;
  const { scores, variance } = await metrics.principalComponents(vectors, { count: 2, signal });
  const points = scores.data() as Float64Array;
  const column = (index: number) =>
    Array.from({ length: count }, (_, row) => points[2 * row + index] ?? 0);
  const map = { x: column(0), y: column(1) };
  scores.dispose();
  return {
    geometry: {
      meanCosine: (Number(total.data()[0]) - count) / (count * (count - 1)),
      firstComponent: variance[0] ?? 0,
      effectiveDimensions: 1 / variance.reduce((sum, share) => sum + share ** 2, 0),
    },
    map: { ...map, variance: [variance[0] ?? 0, variance[1] ?? 0] },
  };
}
