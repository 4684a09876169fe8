// tokenizer.json, the format of Hugging Face's tokenizers: checked for what the backend cannot do, which
// it would pass over in silence.

import type { TokenizerJson } from './hugging-face-tokenizer.js';
import type { AddedToken } from './special-tokens.js';
import { checkIds, parseObject, tokenizerError } from './tokenizer-files.js';
import { tokenizerJson } from './tokenizer-json-schema.js';

type Model = Readonly<Record<string, unknown>>;

/**
 * @param text - The file's content.
 * @param path - The file's name, for messages.
 * @throws LatentrayError `ERR_TOKENIZER` for a broken file and for parts that this library does not run.
 */
export function parseTokenizerJson(text: string, path: string): TokenizerJson {
  const json = parseObject(text, path);
  if (typeof json.model === 'object')
    json.model = { type: typeOf(json.model ?? {}), ...json.model };
  const { success, error } = tokenizerJson.safeParse(json);
  if (!success) {
    const reasons = error.issues.slice(0, 3).map(({ path: at, message }) => {
      return `'${at.join('.')}': ${message.replace('Invalid input: ', '')}`;
    });
    throw tokenizerError(path, reasons.join('; '), error);
  }
  const { normalizer = null, pre_tokenizer = null, post_processor = null, decoder = null } = json;
  refuseSplits(pre_tokenizer, path);
  const added_tokens = (json.added_tokens ?? []) as Partial<AddedToken>[];
  const added = added_tokens.map(completed);
  const model = checkedModel(json.model as Model, added, path);
  return { normalizer, pre_tokenizer, post_processor, decoder, model, added_tokens: added };
}

/** Files of the first years name no type. */
function typeOf({ vocab, merges }: { vocab?: unknown; merges?: unknown }): string {
  if (Array.isArray(vocab)) return 'Unigram';
  return merges ? 'BPE' : 'WordPiece';
}

/** The id of every token of a model: an object in the file, or a list of [token, score] (Unigram). */
export function vocabularyOf({ vocab }: Model): Readonly<Record<string, number>> {
  return Array.isArray(vocab)
    ? Object.fromEntries(vocab.map(([token], id) => [token, id]))
    : (vocab as Record<string, number>);
}

/** A model whose tokens are all there; merges become pairs, whichever way they are written. */
function checkedModel(model: Model, added: readonly AddedToken[], path: string): Model {
  if (Array.isArray(model.vocab)) {
    checkScores(model.vocab, model.unk_id as number, path);
    return model;
  }
  const vocab = vocabularyOf(model);
  checkIds(Object.entries(vocab), path);
  const unknown = model.unk_token;
  const isThere = (token: string) =>
    Object.hasOwn(vocab, token) || added.some(({ content }) => content === token);
  if (typeof unknown === 'string' && !isThere(unknown)) {
    throw tokenizerError(path, `'model.unk_token': '${unknown}' is not in the vocabulary`);
  }
  if (model.type !== 'BPE') return model;
  return {
    ...model,
    merges: (model.merges as unknown[]).map((merge) => pairOf(merge, vocab, path)),
  };
}

function checkScores(vocab: readonly unknown[], unknownId: number, path: string): void {
  for (const entry of vocab) {
    const [token, score] = Array.isArray(entry) ? entry : [];
    if (typeof token !== 'string' || !Number.isFinite(score)) {
      throw tokenizerError(path, "'model.vocab': expected [token, score] in every place");
    }
  }
  if (unknownId >= vocab.length) {
    throw tokenizerError(path, `'model.unk_id': ${unknownId} is outside the vocabulary`);
  }
}

function pairOf(merge: unknown, vocab: object, path: string): [string, string] {
  const [left, right, ...rest]: unknown[] =
    typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
  if (typeof left !== 'string' || typeof right !== 'string' || rest.length > 0) {
    throw tokenizerError(path, "'model.merges': expected two tokens in every place");
  }
  if (!Object.hasOwn(vocab, left + right)) {
    throw tokenizerError(path, `'model.merges': '${left + right}' is not in the vocabulary`);
  }
  return [left, right];
}

/** A token with every flag. */
function completed(token: Partial<AddedToken>): AddedToken {
  const special = token.special === true;
  return {
    id: token.id as number,
    content: token.content as string,
    lstrip: token.lstrip === true,
    rstrip: token.rstrip === true,
    normalized: token.normalized ?? !special,
    special,
  };
}

const supportedSplits = ['Isolated', 'Removed'];

function refuseSplits(preTokenizer: unknown, path: string): void {
  const { type, behavior, pretokenizers } = (preTokenizer ?? {}) as Record<string, unknown>;
  if (Array.isArray(pretokenizers)) for (const part of pretokenizers) refuseSplits(part, path);
  if (type === 'Split' && !supportedSplits.includes(behavior as string)) {
    throw tokenizerError(path, `'pre_tokenizer': Split with '${behavior}' is not supported`);
  }
}
