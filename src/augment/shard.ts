import { z } from 'zod';
import type { Variables } from '../environment.js';
import { invalidArgument } from '../errors.js';

/** One of several processes that share a work. */
export interface Shard {
  /** Which of them this is, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly worldSize: number;
}

/** @internal */
export const shardOption = z
  .strictObject({ rank: z.int().min(0), worldSize: z.int().min(1) })
  .refine(({ rank, worldSize }) => rank < worldSize, 'expected rank below worldSize');

/**
 * @internal What RANK and WORLD_SIZE say: all of the work where neither is set. Processes of one work need not
 * reach each other.
 */
export function shardFromEnvironment(variables: Variables = process.env): Shard {
  const { RANK: rank, WORLD_SIZE: worldSize } = variables;
  if (!rank && !worldSize) return { rank: 0, worldSize: 1 };
  const given = { RANK: rank, WORLD_SIZE: worldSize };
  for (const [name, text] of Object.entries(given)) {
    if (!text || !/^\d+$/.test(text)) throw invalidArgument(name, 'a whole number', text);
  }
  const shard = { rank: Number(rank), worldSize: Number(worldSize) };
  if (shard.rank < shard.worldSize) return shard;
  throw invalidArgument('RANK', `a whole number below WORLD_SIZE, ${worldSize}`, rank);
}
