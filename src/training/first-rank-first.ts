import type { ProcessGroup } from './process-group.js';

/** @internal Work whose result on disk is for all processes: rank 0 does it, then the others find it done. */
export async function firstRankFirst<T>(
  group: ProcessGroup | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (!group) return work();
  if (group.rank !== 0) await group.barrier();
  const result = await work();
  if (group.rank === 0) await group.barrier();
  return result;
}
