import { type Item, keyOf, once, type Step } from './pass.js';
import { hashFraction } from './record.js';

interface Ranked {
  readonly rank: number;
  readonly key: string;
  readonly item: Item;
}

/**
 * The `count` records whose hashes are lowest, lowest first. That is a random sample in random order, which
 * depends on the seed and the records alone: neither on the order of the tables nor on the rest of them.
 */
export function sampleStep(count: number, seed: number): Step {
  return async function* sampled(items, pass) {
    let kept: Ranked[] = [];
    let highest = 1;
    for await (const item of items) {
      const key = keyOf(item, pass);
      const rank = hashFraction('sample', seed, key);
      if (rank >= highest) continue;
      kept.push({ rank, key, item });
      if (kept.length < 2 * count + 1000) continue;
      kept = lowest(kept, count);
      highest = kept.length < count ? 1 : (kept.at(-1)?.rank ?? 1);
    }
    for (const { item } of lowest(kept, count)) yield item;
  };
}

/** Of records with one key, the first. */
function lowest(ranked: readonly Ranked[], count: number): Ranked[] {
  const sorted = [...ranked].sort((a, b) => a.rank - b.rank);
  return sorted.filter(({ key }, index) => key !== sorted[index - 1]?.key).slice(0, count);
}

/** The records of patients whose hashes lie in [from, to), as a part of that name. */
export function partStep(name: string, { from, to, seed }: PartRange): Step {
  return async function* part(items) {
    for await (const item of items) {
      const place = hashFraction('split', seed, item.draft.keys.patient);
      if (place >= from && place < to) yield renamed(item, name);
    }
  };
}

/** The hashes of a part's patients. */
export interface PartRange {
  readonly from: number;
  readonly to: number;
  readonly seed: number;
}

function renamed(item: Item, split: string): Item {
  return {
    ...item,
    draft: { ...item.draft, split },
    record: once(async () => ({ ...(await item.record()), split })),
  };
}
