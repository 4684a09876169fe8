import { setImmediate } from 'node:timers/promises';
import { cosineSimilarity } from '../../index.js';
import type { Embeddings } from './embeddings.js';

/** Another text, and how near it is. */
export interface Neighbour {
  readonly row: number;
  readonly cosine: number;
}

/** What of a matrix of cosines is looked through before others get their turn. */
const cellsAtOnce = 1 << 20;

/** For each text the nearest ones of other groups, the nearest first, by cosine. */
export async function nearestTexts(
  embeddings: Embeddings,
  groups: readonly string[],
  count: number,
  signal: AbortSignal | undefined,
): Promise<Neighbour[][]> {
  using matrix = await cosineSimilarity(embeddings.vectors, embeddings.vectors, { signal });
  const cosines = matrix.data() as Float32Array;
  const nearest: Neighbour[][] = [];
  for (const [row, group] of groups.entries()) {
    if (row % Math.ceil(cellsAtOnce / groups.length) === 0)
      await setImmediate(undefined, { signal });
    const found: Neighbour[] = [];
    groups.forEach((other, candidate) => {
      if (other === group) return;
      insert(
        found,
        { row: candidate, cosine: cosines[row * groups.length + candidate] ?? -1 },
        count,
      );
    });
    nearest.push(found);
  }
  return nearest;
}

/** Keeps the list sorted and short. */
function insert(list: Neighbour[], item: Neighbour, count: number): void {
  const last = list.at(-1);
  if (list.length === count && last && last.cosine >= item.cosine) return;
  let place = list.length;
  while (place > 0 && (list[place - 1]?.cosine ?? 0) < item.cosine) place--;
  list.splice(place, 0, item);
  if (list.length > count) list.pop();
}
