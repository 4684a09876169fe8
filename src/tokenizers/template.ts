// Special tokens around texts: where they are, how much room they leave, and ids put in their places.

import type { Tokenizer as Backend } from '@huggingface/tokenizers';
import { invalidArgument, LatentrayError } from '../errors.js';
import type { TokenizerJson } from './hugging-face-tokenizer.js';
import type { Encoding } from './tokenizer.js';

/** Special tokens around a text (`A`) or around a pair (`A`, `B`), each with its token type id. */
export type Template = readonly {
  readonly slot?: 'A' | 'B';
  readonly id?: number;
  readonly type: number;
}[];

/**
 * Reads the places of the special tokens off the post-processor by running it on stand-ins.
 *
 * @param idOf - Throws for a token that is not in the vocabulary.
 */
export function readTemplate(
  { post_processor: processor }: Backend,
  json: TokenizerJson,
  slots: readonly ('A' | 'B')[],
  idOf: (token: string) => number,
): Template {
  const standIn = (slot: string) => `\u0000${slot}`;
  if (!processor) return slots.map((slot, index) => ({ slot, type: index }));
  const [first, second] = slots.map((slot) => [standIn(slot)]);
  const { tokens, token_type_ids: types } = processor.post_process(first, second ?? null, true);
  const typed = hasTokenTypes(json);
  return tokens.map((token: string, index: number) => {
    const type = typed ? (types?.[index] ?? 0) : 0;
    const slot = slots.find((name) => standIn(name) === token);
    return slot ? { slot, type } : { id: idOf(token), type };
  });
}

/** RoBERTa's pairs are of one type, whatever the backend says. */
function hasTokenTypes({ post_processor: processor }: TokenizerJson): boolean {
  return !JSON.stringify(processor).includes('"RobertaProcessing"');
}

/** Ids in their places between the special tokens. */
export function assemble(
  slots: Readonly<Record<'A' | 'B', readonly number[]>>,
  template: Template,
): Encoding {
  const parts = template.map(({ slot, id, type }) => ({
    type,
    ids: slot ? slots[slot] : [id as number],
  }));
  const inputIds = parts.flatMap(({ ids }) => ids);
  return {
    inputIds,
    attentionMask: inputIds.map(() => 1),
    tokenTypeIds: parts.flatMap(({ ids, type }) => ids.map(() => type)),
    truncated: false,
    tokenCount: inputIds.length,
    droppedText: '',
  };
}

/** Filled up to `length`. `ERR_TOKENIZER` where the tokenizer of `origin` has no token for it. */
export function padded(
  encoding: Encoding,
  length: number,
  padTokenId: number | undefined,
  origin: string,
): Encoding {
  const missing = length - encoding.inputIds.length;
  if (missing <= 0) return encoding;
  if (padTokenId === undefined) {
    const message = `${origin}: padding was asked for, and the tokenizer names no padding token`;
    throw new LatentrayError('ERR_TOKENIZER', message, { path: origin });
  }
  return {
    ...encoding,
    inputIds: encoding.inputIds.concat(Array(missing).fill(padTokenId)),
    attentionMask: encoding.attentionMask.concat(Array(missing).fill(0)),
    tokenTypeIds: encoding.tokenTypeIds.concat(Array(missing).fill(0)),
  };
}

export function specialsOf(template: Template): number {
  return template.filter(({ slot }) => !slot).length;
}

export function tooShort(template: Template, limit: number): LatentrayError {
  return invalidArgument(
    'maxLength',
    `more than the ${specialsOf(template)} special tokens`,
    limit,
  );
}

/**
 * How many ids each text of a pair keeps: the longer one is cut, and both to half of `budget` when the
 * shorter one needs more than that (`longest_first`, Hugging Face's default).
 */
export function sharedLengths(a: number, b: number, budget: number): [number, number] {
  const half = Math.floor(budget / 2);
  if (a <= half) return [a, budget - a];
  if (b <= half) return [budget - b, b];
  return a > b ? [budget - half, half] : [half, budget - half];
}
