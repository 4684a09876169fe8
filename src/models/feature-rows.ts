import { createHash, randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { LatentrayError } from '../errors.js';
import { Tensor } from '../tensor.js';
import { loadTensors, saveTensors } from '../tensor-files.js';
import { isFile } from './json-files.js';

/** @internal What a network makes of one image. */
export interface FeatureRow {
  readonly features: Float32Array;
  readonly logits: Float32Array;
  readonly probabilities: Float32Array;
}

const columns = ['features', 'logits', 'probabilities'] as const;

/** @internal */
export function bytesOfRow(row: FeatureRow): number {
  return columns.reduce((sum, name) => sum + row[name].byteLength, 0);
}

/** @internal The rows of a batch, each with memory of its own; the batch is disposed of. */
export function rowsOfBatch(
  batch: Readonly<Record<(typeof columns)[number], Tensor>>,
): FeatureRow[] {
  const count = batch.features.shape[0] ?? 0;
  const rows = Array.from({ length: count }, (_, n): FeatureRow => {
    const part = (tensor: Tensor) => {
      const width = tensor.shape[1] ?? 0;
      return (tensor.data() as Float32Array).slice(n * width, (n + 1) * width);
    };
    return {
      features: part(batch.features),
      logits: part(batch.logits),
      probabilities: part(batch.probabilities),
    };
  });
  for (const name of columns) batch[name].dispose();
  return rows;
}

/** @internal The other way: [N, D] of each column. */
export function batchOfRows(rows: readonly FeatureRow[]) {
  const join = (name: (typeof columns)[number]) => {
    const width = rows[0]?.[name].length ?? 0;
    const data = new Float32Array(rows.length * width);
    for (const [n, row] of rows.entries()) data.set(row[name], n * width);
    return Tensor.from(data, { shape: [rows.length, width] });
  };
  return {
    features: join('features'),
    logits: join('logits'),
    probabilities: join('probabilities'),
  };
}

/** @internal Writes a row under another name, then renames it: whole or not at all, whoever else writes it. */
export async function writeRow(
  path: string,
  key: string,
  row: FeatureRow,
  signal: AbortSignal | undefined,
): Promise<void> {
  const temporary = `${path}.partial-${randomUUID()}`;
  const tensors = Object.fromEntries(columns.map((name) => [name, Tensor.from(row[name])]));
  try {
    await saveTensors(temporary, tensors, { metadata: { key, sha256: digestOfRow(row) }, signal });
    await rename(temporary, path).catch((cause) => {
      throw new LatentrayError('ERR_WRITE', `${path}: cannot be written`, { cause, path });
    });
  } finally {
    for (const tensor of Object.values(tensors)) tensor.dispose();
    await rm(temporary, { force: true });
  }
}

/**
 * @internal A row that {@link writeRow} wrote under this key; undefined where there is no file.
 *
 * @throws Error for a file that is damaged, or holds something else.
 */
export async function readRow(
  path: string,
  key: string,
  signal: AbortSignal | undefined,
): Promise<FeatureRow | undefined> {
  if (!(await isFile(path))) return undefined;
  const { tensors, metadata } = await loadTensors(path, { signal });
  try {
    if (metadata.key !== key) throw new Error('is of another image or network');
    const [features, logits, probabilities] = columns.map((name) => columnOf(tensors[name]));
    const row = features && logits && probabilities && { features, logits, probabilities };
    if (!row || metadata.sha256 !== digestOfRow(row)) throw new Error('is not what was written');
    return row;
  } finally {
    for (const tensor of Object.values(tensors)) tensor.dispose();
  }
}

function columnOf(tensor: Tensor | undefined): Float32Array | undefined {
  if (tensor?.dtype !== 'float32' || tensor.shape.length !== 1) return undefined;
  return (tensor.data() as Float32Array).slice();
}

function digestOfRow(row: FeatureRow): string {
  const hash = createHash('sha256');
  for (const name of columns) hash.update(`${name} ${row[name].length} `).update(row[name]);
  return hash.digest('hex');
}
