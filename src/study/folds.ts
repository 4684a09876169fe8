import { createHash } from 'node:crypto';

/**
 * Rows in folds of about one size. All rows of a group fall into one, so that nothing that is asked of was
 * learned from.
 */
export function foldsOf(groups: readonly string[], count: number, seed: number): number[][] {
  const names = [...new Set(groups)].sort((a, b) => (rank(a, seed) < rank(b, seed) ? -1 : 1));
  const sizes = new Map<string, number>();
  for (const group of groups) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  const filled = new Array<number>(Math.min(count, names.length)).fill(0);
  const foldOf = new Map<string, number>();
  for (const name of names) {
    const fold = filled.indexOf(Math.min(...filled));
    foldOf.set(name, fold);
    filled[fold] = (filled[fold] ?? 0) + (sizes.get(name) ?? 0);
  }
  const folds = filled.map((): number[] => []);
  groups.forEach((group, row) => {
    folds[foldOf.get(group) ?? 0]?.push(row);
  });
  return folds;
}

/** Which half a group falls into, whatever others there are. */
export function halfOf(group: string, seed: number): 0 | 1 {
  return Number.parseInt(rank(group, seed).slice(0, 1), 16) < 8 ? 0 : 1;
}

/** The order of groups: the seed's and the name's, whatever order they come in. */
function rank(group: string, seed: number): string {
  return createHash('sha256').update(`${seed}\0${group}`).digest('hex');
}
