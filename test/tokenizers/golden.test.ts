import { cpSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadTokenizer } from '../../src/tokenizers/load-tokenizer.js';
import { committed, recipeFolder } from '../support/recipe.js';
import { bertFolder, golden, readJson, sharedData } from './fixture-files.js';

const noGolden = golden('tokenizer') ? false : 'the shared golden cases are not here';
const noData = sharedData('vocab') ? false : 'the shared vocabularies are not here';

t.test('CLIP: ids and masks of awkward texts, padded to 77', async (t) => {
  const tokenizer = await loadTokenizer(join(await recipeFolder('recipe-sd1'), 'tokenizer'));
  for (const { text, input_ids, attention_mask } of readJson(
    join(committed, 'tokenizer/clip.json'),
  )) {
    const encoding = tokenizer.encode(text, { padding: 'max_length' });
    t.strictSame(encoding.inputIds, input_ids, text);
    t.strictSame(encoding.attentionMask, attention_mask, `mask of ${text}`);
  }
});

t.test('BERT cased: ids and token types of awkward texts', { skip: noGolden }, async (t) => {
  const tokenizer = await loadTokenizer(golden('tiny-bert/model') as string);
  for (const expected of readJson(golden('tokenizer/bert-cased.json') ?? '')) {
    const encoding = tokenizer.encode(expected.text);
    t.strictSame(encoding.inputIds, expected.input_ids, expected.text);
    t.strictSame(encoding.tokenTypeIds, expected.token_type_ids);
  }
});

t.test('BERT cased: a pair of texts, cut to 24', { skip: noGolden }, async (t) => {
  const tokenizer = await loadTokenizer(golden('tiny-bert/model') as string);
  const expected = readJson(golden('tokenizer/bert-cased-pair.json') ?? '');
  const encoding = tokenizer.encode(expected.a, {
    pair: expected.b,
    maxLength: expected.max_length,
  });
  t.strictSame(encoding.inputIds, expected.input_ids);
  t.strictSame(encoding.tokenTypeIds, expected.token_type_ids);
  t.strictSame(encoding.attentionMask, expected.attention_mask);
  t.ok(encoding.truncated);
});

t.test('the four published vocabularies on 45 texts', { skip: noData }, async (t) => {
  const vocab = (name: string) => sharedData(join('vocab', name)) as string;
  const made = t.testdir({
    cased: bertFolder(vocab('bert-base-cased/vocab.txt'), { do_lower_case: false }),
    pubmed: {},
  });
  const pubmed = join(made, 'pubmed');
  for (const name of ['vocab.txt', 'tokenizer_config.json', 'special_tokens_map.json']) {
    cpSync(vocab(`pubmedbert-biomedclip/${name}`), join(pubmed, name));
  }
  const folders: [string, string][] = [
    ['clip_hf', vocab('clip')],
    ['bert_cased', join(made, 'cased')],
    ['bert_uncased', vocab('bert-base-uncased')],
    ['pubmedbert', vocab('pubmedbert-biomedclip')],
    ['pubmedbert', pubmed],
  ];
  const cases = readJson(vocab('golden.json'));
  for (const [key, folder] of folders) {
    const tokenizer = await loadTokenizer(folder);
    for (const expected of cases) {
      t.strictSame(tokenizer.encode(expected.text).inputIds, expected[key], expected.text);
    }
  }
});
