// tokenizer.json, the format of Hugging Face's tokenizers: checked for what the backend cannot do, which
// it would pass over in silence.

import type { TokenizerJson } from './hugging-face-tokenizer.js';
import type { AddedToken } from './special-tokens.js';
import { checkIds, parseObject, tokenizerError } from './tokenizer-files.js';

/**
 * @param text - The file's content.
 * @param path - The file's name, for messages.
 * @throws LatentrayError `ERR_TOKENIZER` for a broken file and for parts that this library does not run.
 */
export function parseTokenizerJson(text: string, path: string): TokenizerJson {
  const json = parseObject(text, path);
  const { normalizer = null, pre_tokenizer = null, post_processor = null, decoder = null } = json;
  const model = json.model as Record<string, unknown> | undefined;
  if (typeof model !== 'object' || model === null || Array.isArray(model)) {
    throw tokenizerError(path, "'model': expected an object");
  }
  if (typeof model.vocab !== 'object' || model.vocab === null) {
    throw tokenizerError(path, "'model.vocab': expected an object or a list");
  }
  if (!Array.isArray(model.vocab)) checkIds(Object.entries(model.vocab), path);
  if (model.type === 'BPE' && model.continuing_subword_prefix) {
    throw tokenizerError(path, "'model.continuing_subword_prefix' is not supported for BPE");
  }
  refuseSplits(pre_tokenizer, path);
  const added_tokens = parseAddedTokens(json.added_tokens, path);
  return { normalizer, pre_tokenizer, post_processor, decoder, model, added_tokens };
}

/** The id of every token of a model: an object in the file, or a list of [token, score] (Unigram). */
export function vocabularyOf({
  vocab,
}: Readonly<Record<string, unknown>>): Readonly<Record<string, number>> {
  return Array.isArray(vocab)
    ? Object.fromEntries(vocab.map(([token], id) => [token, id]))
    : (vocab as Record<string, number>);
}

function parseAddedTokens(value: unknown, path: string): AddedToken[] {
  if (value !== undefined && value !== null && !Array.isArray(value)) {
    throw tokenizerError(path, "'added_tokens': expected a list");
  }
  return (value ?? []).map((entry: Record<string, unknown>) => {
    const { id, content, single_word } = entry;
    checkIds([[String(content), id]], path);
    if (typeof content !== 'string' || content === '') {
      throw tokenizerError(path, "'added_tokens': expected a text in every 'content'");
    }
    if (single_word) {
      throw tokenizerError(path, `'added_tokens': 'single_word' (${content}) is not supported`);
    }
    const special = entry.special === true;
    return {
      id: id as number,
      content,
      lstrip: entry.lstrip === true,
      rstrip: entry.rstrip === true,
      normalized: typeof entry.normalized === 'boolean' ? entry.normalized : !special,
      special,
    };
  });
}

const supportedSplits = ['Isolated', 'Removed'];

function refuseSplits(preTokenizer: unknown, path: string): void {
  const { type, behavior, pretokenizers } = (preTokenizer ?? {}) as Record<string, unknown>;
  if (Array.isArray(pretokenizers)) for (const part of pretokenizers) refuseSplits(part, path);
  if (type === 'Split' && !supportedSplits.includes(behavior as string)) {
    throw tokenizerError(path, `'pre_tokenizer': Split with '${behavior}' is not supported`);
  }
}
