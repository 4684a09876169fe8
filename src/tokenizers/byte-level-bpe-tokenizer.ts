// RoBERTa's byte-level BPE from vocab.json and merges.txt, as transformers' RobertaTokenizer reads them.
// RoBERTa: A Robustly Optimized BERT Pretraining Approach, https://arxiv.org/abs/1907.11692

import type { TokenizerJson } from './hugging-face-tokenizer.js';
import type { RoleTokens, SpecialTokens } from './special-tokens.js';

export const robertaTokens: RoleTokens = {
  bos: '<s>',
  eos: '</s>',
  unk: '<unk>',
  sep: '</s>',
  pad: '<pad>',
  cls: '<s>',
  mask: '<mask>',
};

/**
 * @param vocab - Token to id, the content of vocab.json.
 * @param merges - Pairs in order of rank.
 * @param addPrefixSpace - Treat the first word as if a space stood before it.
 */
export function byteLevelBpeTokenizerJson(
  vocab: Readonly<Record<string, number>>,
  merges: readonly (readonly [string, string])[],
  { roles, added }: SpecialTokens,
  addPrefixSpace: boolean,
): TokenizerJson {
  const { cls = '', sep = '' } = roles;
  return {
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: addPrefixSpace, use_regex: true },
    post_processor: { type: 'RobertaProcessing', sep: [sep, vocab[sep]], cls: [cls, vocab[cls]] },
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', unk_token: null, vocab, merges },
    added_tokens: added,
  };
}
