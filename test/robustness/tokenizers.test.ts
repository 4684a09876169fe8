// Whatever stands in a tokenizer's files, they are read or refused, and what was read encodes texts.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type fc from 'fast-check';
import t from 'tap';
import { tokenizerFrom } from '../../src/tokenizers/load-tokenizer.js';
import { mutatedJson, mutatedText, surviveMutations } from '../support/mutations.js';
import { fixture } from '../tokenizers/fixture-files.js';

const text = 'No acute cardiopulmonary process; heart size 12 cm. É 肺 <extra>';
const bert = readFileSync(join(fixture('bert'), 'vocab.txt'), 'utf8');

const clipTokens = ['<|startoftext|>', '<|endoftext|>', 'l', 'u', 'ng</w>', 'n', 'g</w>', 'lu'];
const clipVocab = JSON.stringify(Object.fromEntries(clipTokens.map((token, id) => [token, id])));
const clipFiles = {
  'vocab.json': clipVocab.replace('}', ', "lung</w>": 8}'),
  'merges.txt': '#version: 0.2\nl u\nn g</w>\nlu ng</w>\n',
  'tokenizer_config.json': JSON.stringify({
    tokenizer_class: 'CLIPTokenizer',
    model_max_length: 77,
    bos_token: { __type: 'AddedToken', content: '<|startoftext|>', normalized: true },
    eos_token: '<|endoftext|>',
    pad_token: '<|endoftext|>',
    additional_special_tokens: ['<extra>'],
  }),
};

const wordPieceJson = JSON.stringify({
  normalizer: { type: 'BertNormalizer', lowercase: true, handle_chinese_chars: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    vocab: { '[PAD]': 0, '[UNK]': 1, '[CLS]': 2, '[SEP]': 3, heart: 4, '##s': 5 },
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
  },
  added_tokens: [{ id: 3, content: '[SEP]', special: true, lstrip: false, normalized: false }],
});

const bpeJson = JSON.stringify({
  normalizer: {
    type: 'Sequence',
    normalizers: [{ type: 'NFC' }, { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' }],
  },
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: '[\\p{L}]+' }, behavior: 'Removed', invert: true },
      { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    ],
  },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } },
  },
  decoder: { type: 'ByteLevel' },
  model: {
    type: 'BPE',
    unk_token: '<s>',
    vocab: { '<s>': 0, h: 1, e: 2, a: 3, he: 4, hea: 5 },
    merges: [['h', 'e'], 'he a'],
  },
  added_tokens: [{ id: 0, content: '<s>', special: true }],
});

const unigramJson = JSON.stringify({
  normalizer: { type: 'Precompiled', precompiled_charsmap: null },
  pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
  post_processor: null,
  decoder: { type: 'Metaspace', replacement: '▁' },
  model: {
    type: 'Unigram',
    unk_id: 0,
    vocab: [
      ['<unk>', 0],
      ['▁heart', -1.5],
      ['h', -3],
    ],
  },
  added_tokens: [],
});

const bertConfig = JSON.stringify({
  do_lower_case: true,
  model_max_length: 512,
  added_tokens_decoder: { 50: { content: '<extra>', special: true, lstrip: true } },
  cls_token: '[CLS]',
  mask_token: null,
});

/** A folder, the file of it that is changed, and how. */
const cases: [
  string,
  Record<string, string>,
  string,
  (original: string) => fc.Arbitrary<string>,
][] = [
  ['vocab.json', clipFiles, 'vocab.json', mutatedJson],
  ['merges.txt', clipFiles, 'merges.txt', mutatedText],
  ['tokenizer_config.json of CLIP', clipFiles, 'tokenizer_config.json', mutatedJson],
  ['vocab.txt', { 'vocab.txt': bert }, 'vocab.txt', mutatedText],
  [
    'tokenizer_config.json of BERT',
    { 'vocab.txt': bert, 'tokenizer_config.json': bertConfig },
    'tokenizer_config.json',
    mutatedJson,
  ],
  [
    'added_tokens.json',
    { 'vocab.txt': bert, 'added_tokens.json': '{"<extra>": 50, "<more>": 51}' },
    'added_tokens.json',
    mutatedJson,
  ],
  [
    'special_tokens_map.json',
    {
      'vocab.txt': bert,
      'special_tokens_map.json': '{"pad_token": "[PAD]", "cls_token": {"content": "[CLS]"}}',
    },
    'special_tokens_map.json',
    mutatedJson,
  ],
  ['tokenizer.json: WordPiece', { 'tokenizer.json': wordPieceJson }, 'tokenizer.json', mutatedJson],
  ['tokenizer.json: BPE', { 'tokenizer.json': bpeJson }, 'tokenizer.json', mutatedJson],
  ['tokenizer.json: Unigram', { 'tokenizer.json': unigramJson }, 'tokenizer.json', mutatedJson],
];

for (const [name, files, changed, mutations] of cases) {
  t.test(name, async (t) => {
    const original = files[changed] ?? '';
    await surviveMutations(t, {
      sharedBy: cases.filter(([, , other]) => other === changed).length,
      mutations: mutations(original),
      codes: ['ERR_TOKENIZER'],
      read: async (content) => {
        const all = { ...files, [changed]: content };
        const tokenizer = await tokenizerFrom('folder', async (file) => all[file], {
          modelMaxLength: 77,
        });
        const { inputIds } = tokenizer.encode(text);
        tokenizer.decode(inputIds);
        return tokenizer.encodeChunks(text);
      },
    });
  });
}
