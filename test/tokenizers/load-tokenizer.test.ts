import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadTokenizer } from '../../src/tokenizers/load-tokenizer.js';
import { fixture } from './fixture-files.js';

const clip = (name: string) => readFileSync(join(fixture('clip-subset'), name), 'utf8');
const bertVocab = readFileSync(join(fixture('bert'), 'vocab.txt'), 'utf8');

const wordPieceJson = {
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    lowercase: true,
  },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    vocab: { '[PAD]': 0, '[UNK]': 1, '[CLS]': 2, '[SEP]': 3, lung: 4 },
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
  },
  added_tokens: [{ id: 3, content: '[SEP]', special: true }],
};

t.test(
  'tokenizer.json comes before the older files, and its own truncation is not applied',
  async (t) => {
    const path = t.testdir({
      'tokenizer.json': JSON.stringify({ ...wordPieceJson, truncation: { max_length: 3 } }),
      'vocab.txt': bertVocab,
    });
    const tokenizer = await loadTokenizer(path);
    t.strictSame(tokenizer.encode('lung lung x [SEP]').inputIds, [2, 4, 4, 1, 3, 3]);
    t.strictSame(tokenizer.encode('lung', { pair: 'lung' }).tokenTypeIds, [0, 0, 0, 1, 1]);
    t.equal(tokenizer.padTokenId, 0);
  },
);

t.test('a tokenizer.json without a post-processor adds nothing', async (t) => {
  const path = t.testdir({
    'tokenizer.json': JSON.stringify({ ...wordPieceJson, post_processor: null }),
  });
  t.strictSame((await loadTokenizer(path)).encode('lung').inputIds, [4]);
});

t.test(
  'tokens of added_tokens.json and added_tokens_decoder are found, with their flags',
  async (t) => {
    const legacy = await loadTokenizer(
      t.testdir({ 'vocab.txt': bertVocab, 'added_tokens.json': '{"<lung-xray>": 50}' }),
    );
    t.strictSame(legacy.encode('x <lung-xray>').inputIds, [2, 8, 50, 3]);
    t.equal(legacy.vocabSize, 51);
    const decoder = {
      41: { content: '<extra>', special: true, lstrip: true },
      42: { content: '<plain>', special: false },
    };
    const current = await loadTokenizer(
      t.testdir({
        'vocab.txt': bertVocab,
        'tokenizer_config.json': JSON.stringify({
          added_tokens_decoder: decoder,
          pad_token: '<extra>',
        }),
        'special_tokens_map.json': '{"pad_token": "[PAD]"}',
      }),
    );
    t.equal(current.padTokenId, 41, 'the decoder makes the map void');
    t.strictSame(current.encode('x <extra><plain>').inputIds, [2, 8, 41, 42, 3]);
    t.equal(current.decode([8, 41, 42], { skipSpecialTokens: true }), 'x <plain>');
  },
);

t.test('named tokens that the vocabulary lacks are added behind it', async (t) => {
  const tokenizer = await loadTokenizer(
    t.testdir({
      'vocab.txt': bertVocab,
      'special_tokens_map.json': JSON.stringify({
        pad_token: { content: '<pad>', lstrip: false },
        additional_special_tokens: ['<a>', '<b>'],
      }),
    }),
  );
  t.strictSame(
    [tokenizer.padTokenId, tokenizer.tokenToId('<a>'), tokenizer.tokenToId('<b>')],
    [41, 42, 43],
  );
});

t.test(
  'model_max_length: the smaller of the folder and the model, "no limit" is Infinity',
  async (t) => {
    const folder = (config: string) =>
      t.testdir({ 'vocab.txt': bertVocab, 'tokenizer_config.json': config });
    const huge = '{"model_max_length": 1000000000000000019884624838656}';
    t.equal((await loadTokenizer(folder(huge))).modelMaxLength, Infinity);
    t.equal(
      (await loadTokenizer(folder('{"model_max_length": Infinity}'))).modelMaxLength,
      Infinity,
    );
    t.equal((await loadTokenizer(folder(huge), { modelMaxLength: 512 })).modelMaxLength, 512);
    const small = folder('{"model_max_length": 77}');
    t.equal((await loadTokenizer(small, { modelMaxLength: 512 })).modelMaxLength, 77);
  },
);

const vocabAndMerges = { 'vocab.json': clip('vocab.json'), 'merges.txt': clip('merges.txt') };
const withModel = (change: object) =>
  JSON.stringify({ ...wordPieceJson, model: { ...wordPieceJson.model, ...change } });
const broken: [string, Record<string, string>, RegExp][] = [
  ['an empty folder', {}, /expected tokenizer\.json, vocab\.json with merges\.txt, or vocab\.txt/],
  ['no merges.txt', { 'vocab.json': clip('vocab.json') }, /merges\.txt: is missing/],
  [
    'vocab.json is no JSON',
    { ...vocabAndMerges, 'vocab.json': '{' },
    /vocab\.json: not valid JSON/,
  ],
  ['vocab.json is a list', { ...vocabAndMerges, 'vocab.json': '[]' }, /expected a JSON object/],
  ['an id is no number', { ...vocabAndMerges, 'vocab.json': '{"a": "1"}' }, /'a': expected an id/],
  ['a merge of three', { ...vocabAndMerges, 'merges.txt': 'i n g' }, /line 1: expected two tokens/],
  ['a merge of another vocabulary', { ...vocabAndMerges, 'merges.txt': 'q q' }, /'qq' is not in/],
  [
    'RoBERTa without its tokens',
    { ...vocabAndMerges, 'tokenizer_config.json': '{"tokenizer_class": "RobertaTokenizer"}' },
    /vocab\.json: has no bos token '<s>'/,
  ],
  ['BERT without its tokens', { 'vocab.txt': 'a\nb\n' }, /vocab\.txt: has no unk token '\[UNK\]'/],
  [
    'no basic tokenizer',
    { 'vocab.txt': bertVocab, 'tokenizer_config.json': '{"do_basic_tokenize": false}' },
    /'do_basic_tokenize'/,
  ],
  [
    'added_tokens.json',
    { 'vocab.txt': bertVocab, 'added_tokens.json': '{"a": -1}' },
    /'a': expected an id/,
  ],
  ['tokenizer.json without a model', { 'tokenizer.json': '{}' }, /'model': expected object/],
  ['tokenizer.json without a vocabulary', { 'tokenizer.json': '{"model":{}}' }, /'model\.vocab'/],
  [
    'an unknown model',
    { 'tokenizer.json': withModel({ type: 'X', vocab: {} }) },
    /'model.type': "X" is not supported/,
  ],
  [
    'an unknown normalizer',
    { 'tokenizer.json': JSON.stringify({ ...wordPieceJson, normalizer: { type: 'X' } }) },
    /'normalizer.type': "X" is not supported/,
  ],
  [
    'a split that the backend cannot do',
    {
      'tokenizer.json': JSON.stringify({
        ...wordPieceJson,
        pre_tokenizer: { type: 'Split', pattern: { String: '-' }, behavior: 'MergedWithNext' },
      }),
    },
    /Split with 'MergedWithNext'/,
  ],
  [
    'a prefix that the backend cannot do',
    { 'tokenizer.json': withModel({ type: 'BPE', continuing_subword_prefix: '##' }) },
    /continuing_subword_prefix/,
  ],
  [
    'a whole-word token',
    {
      'tokenizer.json': JSON.stringify({
        ...wordPieceJson,
        added_tokens: [{ id: 9, content: 'x', single_word: true }],
      }),
    },
    /single_word/,
  ],
  [
    'an added token without text',
    { 'tokenizer.json': JSON.stringify({ ...wordPieceJson, added_tokens: [{ id: 9 }] }) },
    /expected a text/,
  ],
  [
    'added tokens that are no list',
    { 'tokenizer.json': JSON.stringify({ ...wordPieceJson, added_tokens: {} }) },
    /'added_tokens': expected array/,
  ],
];

for (const [name, files, message] of broken) {
  t.test(`a broken folder is named: ${name}`, async (t) => {
    await t.rejects(loadTokenizer(t.testdir(files)), { code: 'ERR_TOKENIZER', message });
  });
}

t.test('a folder that cannot be read is named', async (t) => {
  const path = t.testdir({ 'tokenizer_config.json': {} });
  await t.rejects(loadTokenizer(path), { code: 'ERR_TOKENIZER', message: /cannot be read/ });
});

t.test('padding is refused where there is no padding token', async (t) => {
  const tokenizer = await loadTokenizer(t.testdir({ 'vocab.txt': '[UNK]\n[CLS]\n[SEP]\nlung\n' }));
  t.throws(() => tokenizer.encode('lung', { padding: 'max_length', maxLength: 9 }), {
    code: 'ERR_TOKENIZER',
    message: /no padding token/,
  });
});
