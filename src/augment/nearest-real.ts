import { hashFraction } from '../data/record.js';
import { cosineSimilarity } from '../models/cosine-similarity.js';
import { Tensor } from '../tensor.js';

/** @internal A real image that is near, and how near. */
export interface Nearest {
  /** The cosine of the two vectors, −1 … 1. */
  readonly similarity: number;
  /** The record's `id`. */
  readonly id: string;
}

interface Owner {
  readonly id: string;
  readonly patient: string;
}

/** As many real images say how near real images are to each other. */
const sampleSize = 1000;

/** Rows that are compared with all at a time. */
const rowsAtOnce = 64;

/** Only a copy is as near as this; what counts where there is one patient alone. */
const copySimilarity = 0.999;

/** @internal Real images as vectors, to be asked which is nearest. */
export class NearestReal {
  readonly #owners: readonly Owner[];
  readonly #vectors: readonly Float32Array[];
  readonly #table: Tensor; // [N, D]

  constructor(owners: readonly Owner[], vectors: readonly Float32Array[]) {
    this.#owners = owners;
    this.#vectors = vectors;
    this.#table = asTable(vectors);
  }

  /** The nearest real image of each vector. */
  async nearest(vectors: readonly Float32Array[], signal?: AbortSignal): Promise<Nearest[]> {
    const found: Nearest[] = [];
    for await (const { similarities } of this.#rows(vectors, signal)) {
      const at = largest(similarities);
      found.push({
        similarity: similarities[at] as number,
        id: (this.#owners[at] as Owner).id,
      });
    }
    return found;
  }

  /**
   * How near real images of different patients come to each other: the similarity that all but `share` of them do
   * not exceed to their nearest. Measured on a sample that is the same in every run.
   */
  async limit(share: number, signal?: AbortSignal): Promise<number> {
    const rows = this.#sample();
    const nearest: number[] = [];
    const vectors = rows.map((row) => this.#vectors[row] as Float32Array);
    for await (const { index, similarities } of this.#rows(vectors, signal)) {
      const { patient } = this.#owners[rows[index] as number] as Owner;
      const others = similarities.map((value, i) =>
        this.#owners[i]?.patient === patient ? Number.NEGATIVE_INFINITY : value,
      );
      nearest.push(others[largest(others)] as number);
    }
    const known = nearest.filter(Number.isFinite).sort((a, b) => a - b);
    if (known.length === 0) return copySimilarity;
    return known[Math.ceil((1 - share) * (known.length - 1))] as number;
  }

  dispose(): void {
    this.#table.dispose();
  }

  #sample(): number[] {
    const ranked = this.#owners.map(({ id }, row) => ({ row, rank: hashFraction('limit', 0, id) }));
    ranked.sort((a, b) => a.rank - b.rank);
    return ranked.slice(0, sampleSize).map(({ row }) => row);
  }

  async *#rows(vectors: readonly Float32Array[], signal: AbortSignal | undefined) {
    const width = this.#owners.length;
    for (let start = 0; start < vectors.length; start += rowsAtOnce) {
      using queries = asTable(vectors.slice(start, start + rowsAtOnce));
      using cosines = await cosineSimilarity(queries, this.#table, { signal }); // [rows, N]
      const data = cosines.data() as Float32Array;
      for (let row = 0; row < data.length / width; ++row) {
        const similarities = data.subarray(row * width, (row + 1) * width);
        yield { index: start + row, similarities };
      }
    }
  }
}

function asTable(vectors: readonly Float32Array[]): Tensor {
  const width = vectors[0]?.length ?? 0;
  const data = new Float32Array(vectors.length * width);
  for (const [row, vector] of vectors.entries()) data.set(vector, row * width);
  return Tensor.from(data, { shape: [vectors.length, width] });
}

function largest(values: Float32Array): number {
  let at = 0;
  for (let i = 1; i < values.length; ++i) {
    if ((values[i] as number) > (values[at] as number)) at = i;
  }
  return at;
}
