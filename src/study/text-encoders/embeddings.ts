import { type Pooling, Tensor, type TextEncoder } from '../../index.js';

/** Texts as vectors, a row a text. */
export interface Embeddings {
  /** float32 [N, D] on the CPU. */
  readonly vectors: Tensor;
  readonly width: number;
  /** How many texts were longer than the encoder takes. */
  readonly cut: number;
}

/** CLIP puts its text's meaning into the closing token; of others the mean is usual. */
export function defaultPooling(encoder: TextEncoder): Pooling {
  return encoder.config.model_type === 'clip_text_model' ? 'eot' : 'mean';
}

export async function embed(
  encoder: TextEncoder,
  texts: readonly string[],
  pooling: Pooling,
  signal: AbortSignal | undefined,
): Promise<Embeddings> {
  const rows: Float32Array[] = [];
  let cut = 0;
  for await (const { pooled, droppedTexts } of encoder.encodeStream(texts, { pooling, signal })) {
    using batch = pooled as Tensor;
    using moved = await batch.to({ dtype: 'float32', device: 'cpu' });
    rows.push(Float32Array.from(moved.data() as Float32Array));
    cut += droppedTexts.filter((dropped) => dropped !== '').length;
  }
  const data = new Float32Array(rows.reduce((length, row) => length + row.length, 0));
  let start = 0;
  for (const row of rows) {
    data.set(row, start);
    start += row.length;
  }
  const width = data.length / texts.length;
  return { vectors: Tensor.from(data, { shape: [texts.length, width] }), width, cut };
}

/** Some of the rows, as a tensor of their own. */
export function rowsOf({ vectors, width }: Embeddings, rows: readonly number[]): Tensor {
  const all = vectors.data() as Float32Array;
  const data = new Float32Array(rows.length * width);
  rows.forEach((row, index) => {
    data.set(all.subarray(row * width, (row + 1) * width), index * width);
  });
  return Tensor.from(data, { shape: [rows.length, width] });
}
