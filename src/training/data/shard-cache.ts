import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { folderOfDigest } from '../../disk-cache.js';
import { makeFolder, writeJson } from '../../models/save-model.js';
import type { JobOptions } from '../../native/addon.js';
import { fileDigest } from '../../pipeline/model-digest.js';
import { Tensor } from '../../tensor.js';
import { loadTensors, saveTensors } from '../../tensor-files.js';

/** How far a cache has come. */
export interface CacheProgress {
  /** Rows that are there. */
  readonly done: number;
  readonly total: number;
}

/** Rows of tensors by name, each with the rows as its first dimension. */
export type Rows = Readonly<Record<string, Tensor>>;

/** Where a cache is, and what it holds. */
export interface ShardPlace {
  /** Each digest has a folder of its own in it. */
  readonly folder: string;
  /** Of everything that the rows follow from: a cache of another digest is another cache. */
  readonly digest: string;
  readonly length: number;
  readonly shardSize: number;
  /** Hears why a part that was there is made anew. */
  readonly onRebuild: (reason: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** And how it is made. */
export interface ShardPlan extends ShardPlace {
  /** Rows `start` to before `end`; they are disposed of. */
  compute(start: number, end: number): Promise<Rows>;
  readonly onProgress?: ((progress: CacheProgress) => void) | undefined;
}

/** What stands beside a shard: written after it, so that one without is one that was not finished. */
interface ShardRecord {
  readonly digest: string;
  readonly rows: number;
  readonly sha256: string;
}

/**
 * Rows of tensors on disk, in safetensors files of some rows each. Files are mapped: only rows that are used
 * come into memory. What does not have the digest that was written for it is made anew and never used.
 */
export class ShardCache {
  readonly #shards: readonly Rows[];
  readonly #shardSize: number;

  private constructor(shards: readonly Rows[], shardSize: number) {
    this.#shards = shards;
    this.#shardSize = shardSize;
  }

  /** Checks what is there, and makes what is not. @throws LatentrayError `ERR_WRITE`, and what `compute` throws. */
  static async open(plan: ShardPlan): Promise<ShardCache> {
    const { length, shardSize, signal } = plan;
    await makeFolder(join(plan.folder, folderOfDigest(plan.digest)));
    const shards: Rows[] = [];
    for (const { path, record, start, end } of shardsOf(plan)) {
      signal?.throwIfAborted();
      const known = await readShard(path, record, plan.onRebuild, signal);
      shards.push(known ?? (await makeShard(path, record, () => plan.compute(start, end), signal)));
      plan.onProgress?.({ done: end, total: length });
    }
    return new ShardCache(shards, shardSize);
  }

  /** What is there, where all of it is. */
  static async find(place: ShardPlace): Promise<ShardCache | undefined> {
    const shards: Rows[] = [];
    for (const { path, record } of shardsOf(place)) {
      place.signal?.throwIfAborted();
      const known = await readShard(path, record, place.onRebuild, place.signal);
      if (!known) {
        for (const shard of shards) disposeOf(shard);
        return undefined;
      }
      shards.push(known);
    }
    return new ShardCache(shards, place.shardSize);
  }

  /** Some rows of the tensors with this name; undefined where the cache has none of that name. */
  async rows(
    name: string,
    indices: readonly number[],
    options: JobOptions = {},
  ): Promise<Tensor | undefined> {
    const places = indices.map((row): RowPlace => ({ shards: this, row }));
    return joinedRows(name, places, options);
  }

  /** @internal One row: [1, …]. */
  row(name: string, index: number, options: JobOptions): Promise<Tensor> | undefined {
    const shard = this.#shards[Math.floor(index / this.#shardSize)] as Rows;
    const row = index % this.#shardSize;
    return shard[name]?.slice(0, row, row + 1, options);
  }

  dispose(): void {
    for (const shard of this.#shards) disposeOf(shard);
  }
}

/** A row of one cache of several. */
export interface RowPlace {
  readonly shards: ShardCache;
  readonly row: number;
}

/** Rows of the tensors with this name, from several caches; undefined where a row has none of that name. */
export async function joinedRows(
  name: string,
  places: readonly RowPlace[],
  options: JobOptions,
): Promise<Tensor | undefined> {
  const found = await Promise.all(places.map(({ shards, row }) => shards.row(name, row, options)));
  const rows = found.filter((row) => row !== undefined);
  const joined = rows.length === places.length ? await Tensor.cat(rows, 0, options) : undefined;
  for (const row of rows) row.dispose();
  return joined;
}

/** The files of a cache, and which rows each has. */
function* shardsOf({ folder, digest, length, shardSize }: ShardPlace) {
  for (let start = 0; start < length; start += shardSize) {
    const end = Math.min(start + shardSize, length);
    const name = `${String(start / shardSize).padStart(5, '0')}.safetensors`;
    const path = join(folder, folderOfDigest(digest), name);
    yield { path, start, end, record: { digest, rows: end - start } };
  }
}

function recordPath(path: string): string {
  return `${path}.json`;
}

/** A shard that is what it was when it was written. */
async function readShard(
  path: string,
  expected: Omit<ShardRecord, 'sha256'>,
  onRebuild: (reason: string) => void,
  signal: AbortSignal | undefined,
): Promise<Rows | undefined> {
  const text = await readFile(recordPath(path), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const { digest, rows, sha256 } = JSON.parse(text) as ShardRecord;
    if (digest !== expected.digest) throw new Error('is of other data or another model');
    if (rows !== expected.rows) throw new Error(`has ${rows} rows, not ${expected.rows}`);
    const found = await fileDigest(path);
    if (sha256 !== found) throw new Error('is not what was written');
    const { tensors } = await loadTensors(path, { signal });
    return tensors;
  } catch (error) {
    signal?.throwIfAborted();
    onRebuild(`${path}: ${error instanceof Error ? error.message : error}`);
    await rm(recordPath(path), { force: true }); // told of once
    return undefined;
  }
}

async function makeShard(
  path: string,
  record: Omit<ShardRecord, 'sha256'>,
  compute: () => Promise<Rows>,
  signal: AbortSignal | undefined,
): Promise<Rows> {
  const computed = await compute();
  try {
    await saveTensors(path, computed, { metadata: { digest: record.digest }, signal });
  } finally {
    disposeOf(computed);
  }
  await writeJson(recordPath(path), { ...record, sha256: await fileDigest(path) });
  return (await loadTensors(path, { signal })).tensors;
}

function disposeOf(rows: Rows): void {
  for (const tensor of Object.values(rows)) tensor.dispose();
}
