import { Tensor } from '../../tensor.js';
import type { Rows } from './shard-cache.js';

/** Batches of rows as one; they are disposed of. */
export async function joinRows(
  batches: readonly Rows[],
  signal: AbortSignal | undefined,
): Promise<Rows> {
  const joined: Record<string, Tensor> = {};
  for (const name of Object.keys(batches[0] ?? {})) {
    const parts = batches.map((batch) => batch[name] as Tensor);
    joined[name] = await Tensor.cat(parts, 0, { signal });
    for (const part of parts) part.dispose();
  }
  return joined;
}
