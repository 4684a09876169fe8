// BERT's WordPiece from vocab.txt, as transformers' BertTokenizer reads it.
// BERT: Pre-training of Deep Bidirectional Transformers, https://arxiv.org/abs/1810.04805

import type { TokenizerJson } from './hugging-face-tokenizer.js';
import type { RoleTokens, SpecialTokens } from './special-tokens.js';

export const bertTokens: RoleTokens = {
  unk: '[UNK]',
  sep: '[SEP]',
  pad: '[PAD]',
  cls: '[CLS]',
  mask: '[MASK]',
};

/** What tokenizer_config.json decides about a text before it is split. */
export interface WordPieceOptions {
  readonly lowercase: boolean;
  /** null: as `lowercase` says. */
  readonly stripAccents: boolean | null;
  readonly splitChineseCharacters: boolean;
}

/** @param vocab - Token to id: the lines of vocab.txt. */
export function wordPieceTokenizerJson(
  vocab: Readonly<Record<string, number>>,
  { roles, added }: SpecialTokens,
  options: WordPieceOptions,
): TokenizerJson {
  const { cls = '', sep = '', unk } = roles;
  const special = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  const single = [special(cls, 0), text('A', 0), special(sep, 0)];
  return {
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: options.splitChineseCharacters,
      strip_accents: options.stripAccents,
      lowercase: options.lowercase,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single,
      pair: [...single, text('B', 1), special(sep, 1)],
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: unk,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
    added_tokens: added,
  };
}
