import { z } from 'zod';
import { digestOfParts } from '../../disk-cache.js';
import { invalidArgument, LatentrayError } from '../../errors.js';
import type { JobOptions } from '../../native/addon.js';
import { jobOptions, parseOptions } from '../../parse-options.js';
import { Tensor } from '../../tensor.js';
import { type CacheOptions, cacheOptions } from './cache-options.js';
import { joinRows } from './join-rows.js';
import { joinedRows, type RowPlace, type Rows, ShardCache } from './shard-cache.js';
import { keyOf, readSegments, segmentOf, writeSegment } from './text-segments.js';

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

/**
 * The states of a frozen text encoder on disk, so that each text is encoded once. What new texts need is added to
 * what is there.
 */
export class TextStateCache {
  /** Of the texts and the encoder. */
  readonly digest: string;
  readonly #placeOfText: ReadonlyMap<string, RowPlace>;

  private constructor(digest: string, placeOfText: ReadonlyMap<string, RowPlace>) {
    this.digest = digest;
    this.#placeOfText = placeOfText;
  }

  /**
   * Opens the states of the texts, and encodes what is not there yet.
   *
   * @throws LatentrayError `ERR_INVALID_ARG`; `ERR_WRITE`; what `encode` throws.
   */
  static async open(options: TextStateCacheOptions): Promise<TextStateCache> {
    const parsed = parseOptions(textStateCacheOptions, options, 'TextStateCache.open');
    const { modelDigest } = parsed;
    const texts = distinct(parsed.texts);
    const found = await findTexts(texts, parsed);
    const missing = texts.filter((text) => !found.has(text));
    const added = await addTexts(missing, texts.length, parsed);
    if (missing.length === 0) parsed.onProgress?.({ done: texts.length, total: texts.length });
    const digest = digestOfParts('text states', modelDigest, ...texts.map(keyOf));
    return new TextStateCache(digest, new Map([...found, ...added]));
  }

  /** How many distinct texts there are. */
  get length(): number {
    return this.#placeOfText.size;
  }

  /** @throws LatentrayError `ERR_INVALID_ARG` for a text that is not among those of the cache; `ERR_DISPOSED`. */
  async batch(texts: readonly string[], options: JobOptions = {}): Promise<CachedTextStates> {
    const job = parseOptions(jobOptions, options, 'batch');
    if (!Array.isArray(texts) || texts.length === 0) {
      throw invalidArgument('texts', 'an array with texts', texts);
    }
    const places = texts.map((text, n) => {
      const place = this.#placeOfText.get(text);
      if (place === undefined) throw invalidArgument(`texts[${n}]`, 'a text of the cache', text);
      return place;
    });
    return {
      encoderHiddenStates: (await joinedRows('states', places, job)) as Tensor,
      attentionMask: await joinedRows('mask', places, job),
    };
  }

  /** Lets go of the files, which stay. */
  dispose(): void {
    const caches = new Set([...this.#placeOfText.values()].map(({ shards }) => shards));
    for (const shards of caches) shards.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

type ParsedOptions = z.output<typeof textStateCacheOptions>;

/** Where those of the texts are that are there. */
async function findTexts(
  texts: readonly string[],
  { folder, modelDigest, onRebuild, signal }: ParsedOptions,
): Promise<Map<string, RowPlace>> {
  const textOfKey = new Map(texts.map((text) => [keyOf(text), text]));
  const found = new Map<string, RowPlace>();
  for (const { digest, keys, shardSize } of await readSegments(folder, modelDigest)) {
    const wanted = [...keys.entries()].flatMap(([row, key]) => {
      const text = textOfKey.get(key);
      return text === undefined || found.has(text) ? [] : [{ text, row }];
    });
    if (wanted.length === 0) continue;
    const place = { folder, digest, length: keys.length, shardSize, onRebuild, signal };
    const shards = await ShardCache.find(place);
    if (!shards) continue;
    for (const { text, row } of wanted) found.set(text, { shards, row });
  }
  return found;
}

/** Encodes the texts that are not there. */
async function addTexts(
  texts: readonly string[],
  total: number,
  { folder, modelDigest, shardSize, encode, batchSize = 16, ...rest }: ParsedOptions,
): Promise<Map<string, RowPlace>> {
  if (texts.length === 0) return new Map();
  const { onProgress, onRebuild, signal } = rest;
  const segment = segmentOf(modelDigest, texts.map(keyOf), shardSize);
  const before = total - texts.length;
  const shards = await ShardCache.open({
    folder,
    digest: segment.digest,
    length: texts.length,
    shardSize,
    compute: (start, end) => encodeAll(texts.slice(start, end), batchSize, encode, signal),
    onProgress: ({ done }) => onProgress?.({ done: before + done, total }),
    onRebuild,
    signal,
  });
  await writeSegment(folder, modelDigest, segment);
  return new Map(texts.map((text, row) => [text, { shards, row }]));
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
