import { z } from 'zod';
import { warnOfRebuild } from '../../disk-cache.js';
import type { JobOptions } from '../../native/addon.js';
import { jobOptions } from '../../parse-options.js';
import type { CacheProgress } from './shard-cache.js';

/** Where a cache is, and what it tells. */
export interface CacheOptions extends JobOptions {
  /** Caches of other data and other models can be in the same folder. */
  readonly folder: string;
  /** How many are computed at a time. */
  readonly batchSize?: number;
  /** Rows a file. @default 256 */
  readonly shardSize?: number;
  readonly onProgress?: (progress: CacheProgress) => void;
  /** Hears why a part that was there is not used and made anew. @default says so on stderr */
  readonly onRebuild?: (reason: string) => void;
}

const callback = <Argument>() =>
  z.custom<(argument: Argument) => void>(
    (value) => typeof value === 'function',
    'expected a function',
  );

/** @internal {@link CacheOptions}. */
export const cacheOptions = z.strictObject({
  ...jobOptions.shape,
  folder: z.string().min(1),
  batchSize: z.int().min(1).optional(),
  shardSize: z.int().min(1).default(256),
  onProgress: callback<CacheProgress>().optional(),
  onRebuild: callback<string>().default(() => warnOfRebuild),
});
