import { setImmediate } from 'node:timers/promises';
import { LatentrayError } from '../errors.js';
import { Tensor } from '../tensor.js';
import type { Encoding, Tokenizer } from '../tokenizers/tokenizer.js';

/** Tokens of a batch. */
export interface TokenRows {
  /** [N, L] int64. */
  readonly inputIds: Tensor;
  /** [N, L] int64, 0 where there is padding. */
  readonly attentionMask: Tensor;
}

/** After so long the event loop gets its turn. */
const sliceMs = 4;

/** Texts as tokens, cut to `maxLength` and not padded, without holding up the event loop. */
export async function tokenize(
  tokenizer: Tokenizer,
  texts: readonly string[],
  { maxLength, signal }: { readonly maxLength: number; readonly signal: AbortSignal | undefined },
): Promise<Encoding[]> {
  const encodings: Encoding[] = [];
  let startedAt = performance.now();
  for (const text of texts) {
    encodings.push(tokenizer.encode(text, { maxLength }));
    if (performance.now() - startedAt < sliceMs) continue;
    await setImmediate();
    signal?.throwIfAborted();
    startedAt = performance.now();
  }
  return encodings;
}

/** The length of the longest. */
export function longest(encodings: readonly Encoding[]): number {
  return encodings.reduce((length, { inputIds }) => Math.max(length, inputIds.length), 0);
}

/**
 * Encodings as tensors, padded to `length`.
 *
 * @throws `ERR_TOKENIZER` when padding is needed and the tokenizer has no token for it.
 */
export function tokenRows(
  encodings: readonly Encoding[],
  length: number,
  padTokenId: number | undefined,
): TokenRows {
  const shape = [encodings.length, length];
  const ids = new BigInt64Array(encodings.length * length);
  const mask = new BigInt64Array(encodings.length * length);
  for (const [row, encoding] of encodings.entries()) {
    const padding = length - encoding.inputIds.length;
    if (padding > 0 && padTokenId === undefined) {
      throw new LatentrayError(
        'ERR_TOKENIZER',
        'texts of several lengths: the tokenizer names no padding token',
      );
    }
    const start = row * length;
    ids.set(encoding.inputIds.map(BigInt), start);
    ids.fill(BigInt(padTokenId ?? 0), start + encoding.inputIds.length, start + length);
    mask.set(encoding.attentionMask.map(BigInt), start);
  }
  return { inputIds: Tensor.from(ids, { shape }), attentionMask: Tensor.from(mask, { shape }) };
}

/** What was cut off texts. */
export function cutsOf(encodings: readonly Encoding[]) {
  return {
    droppedTexts: encodings.map(({ droppedText }) => droppedText),
    truncated: encodings.some(({ truncated }) => truncated),
  };
}
