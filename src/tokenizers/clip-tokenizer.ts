// CLIP's byte-level BPE from vocab.json and merges.txt, as transformers' CLIPTokenizer reads them.
// Learning Transferable Visual Models From Natural Language Supervision, https://arxiv.org/abs/2103.00020
// OpenAI's own tokenizer repairs the text first (ftfy, HTML entities); this one, like transformers', does not.

import type { TokenizerJson } from './hugging-face-tokenizer.js';
import type { RoleTokens, SpecialTokens } from './special-tokens.js';

export const clipTokens: RoleTokens = {
  bos: '<|startoftext|>',
  eos: '<|endoftext|>',
  unk: '<|endoftext|>',
  pad: '<|endoftext|>',
};

const words =
  "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/**
 * @param vocab - Token to id, the content of vocab.json.
 * @param merges - Pairs in order of rank.
 */
export function clipTokenizerJson(
  vocab: Readonly<Record<string, number>>,
  merges: readonly (readonly [string, string])[],
  { roles, added }: SpecialTokens,
): TokenizerJson {
  const { bos = '', eos = '', unk } = roles;
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: words }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
      ],
    },
    post_processor: { type: 'RobertaProcessing', sep: [eos, vocab[eos]], cls: [bos, vocab[bos]] },
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', unk_token: unk, end_of_word_suffix: '</w>', vocab, merges },
    added_tokens: added,
  };
}
