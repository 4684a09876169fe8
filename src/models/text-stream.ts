import { invalidArgument } from '../errors.js';
import { addon } from '../native/addon.js';
import { type DType, Tensor } from '../tensor.js';
import type { Encoding } from '../tokenizers/tokenizer.js';

/** Texts to encode: any number of them, from anywhere. */
export type TextSource = string | Iterable<string> | AsyncIterable<string>;

/** Some texts of a stream, in its order, as vectors or as states. */
export interface TextBatch {
  /** Where the first text stands in the stream, from 0. */
  readonly start: number;
  readonly texts: readonly string[];
  /** [N, D] on the CPU, a row a text; undefined where `pooling` is `'none'`. */
  readonly pooled: Tensor | undefined;
  /** [N, L, D] where `pooling` is `'none'`. */
  readonly lastHiddenState: Tensor | undefined;
  /** [N, L] int64 where `pooling` is `'none'`: 0 where there is padding. */
  readonly attentionMask: Tensor | undefined;
  /** For each text, what did not fit in `maxLength` and was cut; '' where nothing was. */
  readonly droppedTexts: readonly string[];
  /** Whether anything was cut. */
  readonly truncated: boolean;
}

/** What a stream has computed for it. */
export interface PoolingJobs {
  /** Most texts a batch. */
  readonly batchSize: number;
  /** Most tokens a batch, padding included: one of long texts has fewer of them. */
  readonly batchTokens: number;
  tokenize(texts: readonly string[]): Promise<Encoding[]>;
  /** [N, D] on the CPU. */
  pool(encodings: readonly Encoding[]): Promise<Tensor>;
}

/** Texts are sorted by length inside a window of so many batches. */
const batchesPerWindow = 16;

/**
 * Batches of vectors. Inside a window the texts are computed from the longest to the shortest, so that a
 * batch has hardly any padding, and put back in order. While one window computes, the next is tokenised.
 */
export async function* pooledBatches(
  source: TextSource,
  jobs: PoolingJobs,
): AsyncGenerator<TextBatch> {
  let running: Promise<TextBatch[]> | undefined;
  let start = 0;
  for await (const texts of groupsOf(source, jobs.batchSize * batchesPerWindow)) {
    const encodings = await jobs.tokenize(texts);
    const finished = await running;
    running = computeWindow({ start, texts, encodings }, jobs);
    running.catch(() => {}); // heard of where it is awaited, which may be later
    start += texts.length;
    if (finished) yield* finished;
  }
  if (running) yield* await running;
}

/** Arrays of `size` texts; the last one may be smaller. `ERR_INVALID_ARG` for what is no text. */
export async function* groupsOf(source: TextSource, size: number): AsyncGenerator<string[]> {
  const texts = typeof source === 'string' ? [source] : source;
  const iterable = texts as Partial<Iterable<string> & AsyncIterable<string>> | undefined;
  if (!iterable?.[Symbol.iterator] && !iterable?.[Symbol.asyncIterator]) {
    throw invalidArgument('texts', 'a string, or an iterable of strings', source);
  }
  let group: string[] = [];
  let count = 0;
  for await (const text of texts) {
    if (typeof text !== 'string') throw invalidArgument(`texts[${count}]`, 'a string', text);
    group.push(text);
    count++;
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

interface Window {
  readonly start: number;
  readonly texts: readonly string[];
  readonly encodings: readonly Encoding[];
}

async function computeWindow(window: Window, jobs: PoolingJobs): Promise<TextBatch[]> {
  const { encodings } = window;
  const rows = new Rows(encodings.length);
  const batches = batchesByLength(encodings, jobs).values();
  // Two at a time: one computes and one waits, so that the executor is never idle nor anyone locked out.
  const work = async () => {
    for (const batch of batches) {
      using pooled = await jobs.pool(batch.map((index) => encodings[index] as Encoding));
      rows.put(batch, pooled);
    }
  };
  await Promise.all([work(), work()]);
  return inOrder(window, jobs.batchSize, rows);
}

/** Indices of encodings, the longest first, in batches of limited texts and tokens. */
function batchesByLength(
  encodings: readonly Encoding[],
  { batchSize, batchTokens }: PoolingJobs,
): number[][] {
  const length = (index: number) => encodings[index]?.inputIds.length ?? 0;
  const order = encodings.map((_, index) => index).sort((a, b) => length(b) - length(a));
  const batches: number[][] = [];
  while (order.length > 0) {
    const fitting = Math.floor(batchTokens / length(order[0] as number));
    batches.push(order.splice(0, Math.max(1, Math.min(batchSize, fitting))));
  }
  return batches;
}

function inOrder({ start, texts, encodings }: Window, batchSize: number, rows: Rows): TextBatch[] {
  const batches: TextBatch[] = [];
  for (let first = 0; first < texts.length; first += batchSize) {
    const end = Math.min(first + batchSize, texts.length);
    const own = encodings.slice(first, end);
    batches.push({
      start: start + first,
      texts: texts.slice(first, end),
      pooled: rows.slice(first, end),
      lastHiddenState: undefined,
      attentionMask: undefined,
      droppedTexts: own.map(({ droppedText }) => droppedText),
      truncated: own.some(({ truncated }) => truncated),
    });
  }
  return batches;
}

/** Vectors that arrive in any order. */
class Rows {
  readonly #count: number;
  #bytes: Uint8Array | undefined;
  #rowShape: readonly number[] = [];
  #dtype: DType = 'float32';

  constructor(count: number) {
    this.#count = count;
  }

  /** Row n of `pooled` becomes row `indices[n]`. */
  put(indices: readonly number[], pooled: Tensor): void {
    const { buffer, byteOffset, byteLength } = pooled.data();
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    const width = byteLength / indices.length;
    this.#bytes ??= new Uint8Array(width * this.#count);
    this.#rowShape = pooled.shape.slice(1);
    this.#dtype = pooled.dtype;
    for (const [row, index] of indices.entries()) {
      this.#bytes.set(bytes.subarray(row * width, (row + 1) * width), index * width);
    }
  }

  slice(start: number, end: number): Tensor {
    const all = this.#bytes ?? new Uint8Array();
    const width = all.byteLength / this.#count;
    const bytes = all.slice(start * width, end * width);
    const shape = [end - start, ...this.#rowShape];
    return new Tensor(addon().tensorFromBytes(bytes, shape, this.#dtype));
  }
}

/** Texts that are all there: one, or a list of them. */
export function textList(texts: string | readonly string[]): readonly string[] {
  const list = typeof texts === 'string' ? [texts] : texts;
  if (Array.isArray(list) && list.length > 0 && list.every((text) => typeof text === 'string')) {
    return list;
  }
  throw invalidArgument('texts', 'a string, or an array with at least one', texts);
}
