import { z } from 'zod';
import { invalidArgument, LatentrayError } from '../../errors.js';
import type { JobOptions } from '../../native/addon.js';
import { jobOptions, parseOptions } from '../../parse-options.js';
import { Tensor } from '../../tensor.js';
import { type CacheOptions, cacheOptions } from './cache-options.js';
import { joinRows } from './join-rows.js';
import { digestOfParts, type Rows, ShardCache } from './shard-cache.js';

/** What a text encoder says of texts, all of one length. */
export interface EncodedTexts {
  /** [N, L, D] */
  readonly lastHiddenState: Tensor;
  /** [N, L] */
  readonly attentionMask?: Tensor | undefined;
}

/** What states are computed from, and where they are kept. */
export interface TextStateCacheOptions extends CacheOptions {
  /** Each is encoded once, however often it is there. Captions that are dropped are ''. */
  readonly texts: Iterable<string>;
  /** Pads all texts to one length, whatever else is in the batch. */
  readonly encode: (texts: readonly string[]) => Promise<EncodedTexts>;
  /** Tells the encoder again: its weights, its tokenizer and the length that texts are padded to. */
  readonly modelDigest: string;
}

/** The states of some texts, on the CPU. */
export interface CachedTextStates {
  /** [N, L, D] */
  readonly encoderHiddenStates: Tensor;
  /** [N, L], where the encoder gave one. */
  readonly attentionMask: Tensor | undefined;
}

const textStateCacheOptions = z.strictObject({
  ...cacheOptions.shape,
  texts: z.custom<Iterable<string>>(
    (value) => typeof value === 'object' && value !== null && Symbol.iterator in value,
    'expected an iterable of strings',
  ),
  encode: z.custom<TextStateCacheOptions['encode']>(
    (value) => typeof value === 'function',
    'expected a function',
  ),
  modelDigest: z.string().min(1),
});

/** The states of a frozen text encoder on disk, so that a run encodes each text once. */
export class TextStateCache {
  /** Of the texts and the encoder. */
  readonly digest: string;
  readonly #rowOfText: ReadonlyMap<string, number>;
  readonly #shards: ShardCache;

  private constructor(digest: string, rowOfText: Map<string, number>, shards: ShardCache) {
    this.digest = digest;
    this.#rowOfText = rowOfText;
    this.#shards = shards;
  }

  /**
   * Opens the states of the texts, and encodes what is not there yet.
   *
   * @throws LatentrayError `ERR_INVALID_ARG`; `ERR_WRITE`; what `encode` throws.
   */
  static async open(options: TextStateCacheOptions): Promise<TextStateCache> {
    const parsed = parseOptions(textStateCacheOptions, options, 'TextStateCache.open');
    const { encode, batchSize = 16, modelDigest, signal } = parsed;
    const texts = distinct(parsed.texts);
    const digest = digestOfParts('text states', modelDigest, ...texts);
    const plan = {
      ...parsed,
      digest,
      length: texts.length,
      signal,
      compute: (start: number, end: number) =>
        encodeAll(texts.slice(start, end), batchSize, encode, signal),
    };
    const rowOfText = new Map(texts.map((text, row) => [text, row]));
    return new TextStateCache(digest, rowOfText, await ShardCache.open(plan));
  }

  /** How many distinct texts there are. */
  get length(): number {
    return this.#rowOfText.size;
  }

  /** @throws LatentrayError `ERR_INVALID_ARG` for a text that is not among those of the cache; `ERR_DISPOSED`. */
  async batch(texts: readonly string[], options: JobOptions = {}): Promise<CachedTextStates> {
    const job = parseOptions(jobOptions, options, 'batch');
    if (!Array.isArray(texts) || texts.length === 0) {
      throw invalidArgument('texts', 'an array with texts', texts);
    }
    const rows = texts.map((text, n) => {
      const row = this.#rowOfText.get(text);
      if (row === undefined) throw invalidArgument(`texts[${n}]`, 'a text of the cache', text);
      return row;
    });
    return {
      encoderHiddenStates: (await this.#shards.rows('states', rows, job)) as Tensor,
      attentionMask: await this.#shards.rows('mask', rows, job),
    };
  }

  /** Lets go of the files, which stay. */
  dispose(): void {
    this.#shards.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** In the order of their first appearance. */
function distinct(texts: Iterable<string>): string[] {
  const found = new Set<string>();
  let count = 0;
  for (const text of texts) {
    if (typeof text !== 'string') throw invalidArgument(`texts[${count}]`, 'a string', text);
    found.add(text);
    count++;
  }
  if (count === 0) throw invalidArgument('texts', 'at least one text', 'none');
  return [...found];
}

async function encodeAll(
  texts: readonly string[],
  batchSize: number,
  encode: TextStateCacheOptions['encode'],
  signal: AbortSignal | undefined,
): Promise<Rows> {
  const batches: Rows[] = [];
  for (let start = 0; start < texts.length; start += batchSize) {
    signal?.throwIfAborted();
    const part = texts.slice(start, start + batchSize);
    batches.push(await rowsOf(await encode(part), part.length, signal));
  }
  return joinRows(batches, signal);
}

async function rowsOf(
  encoded: EncodedTexts,
  count: number,
  signal: AbortSignal | undefined,
): Promise<Rows> {
  const { lastHiddenState, attentionMask } = encoded ?? {};
  if (!(lastHiddenState instanceof Tensor) || lastHiddenState.shape[0] !== count) {
    const found = lastHiddenState instanceof Tensor ? `[${lastHiddenState.shape}]` : 'no tensor';
    throw new LatentrayError(
      'ERR_SHAPE',
      `encode: expected lastHiddenState [${count}, L, D], found ${found}`,
    );
  }
  const states = await lastHiddenState.to({ device: 'cpu', signal });
  if (!attentionMask) return { states };
  return { states, mask: await attentionMask.to({ device: 'cpu', signal }) };
}
