import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadTokenizer } from '../../src/tokenizers/load-tokenizer.js';
import { fixture, readJson } from './fixture-files.js';

// A vocabulary of 900 entries trained for this test; expected.json is by transformers 5.18.
const folder = fixture('roberta');
const { texts, pair } = readJson(join(folder, 'expected.json'));

t.test('ids are those of transformers', async (t) => {
  const tokenizer = await loadTokenizer(folder);
  for (const { text, ids } of texts) t.strictSame(tokenizer.encode(text).inputIds, ids, text);
  t.match(tokenizer, {
    clsTokenId: 0,
    padTokenId: 1,
    sepTokenId: 2,
    unkTokenId: 3,
    maskTokenId: 4,
  });
});

t.test('a pair is of one token type', async (t) => {
  const encoding = (await loadTokenizer(folder)).encode(pair.a, { pair: pair.b });
  t.strictSame(encoding.inputIds, pair.ids);
  t.ok(encoding.tokenTypeIds.every((type) => type === 0));
});

t.test('decode gives the text back, spaces included', async (t) => {
  const tokenizer = await loadTokenizer(folder);
  const text = 'No acute  disease; naïve 🫁.';
  const { inputIds } = tokenizer.encode(text);
  t.equal(tokenizer.decode(inputIds, { skipSpecialTokens: true }), text);
  t.equal(tokenizer.decode(inputIds), `<s>${text}</s>`);
});

t.test('add_prefix_space reads the first word as one in the middle', async (t) => {
  const path = t.testdir({});
  cpSync(folder, path, { recursive: true });
  writeFileSync(join(path, 'tokenizer_config.json'), JSON.stringify({ add_prefix_space: true }));
  const [plain, prefixed] = await Promise.all([loadTokenizer(folder), loadTokenizer(path)]);
  t.strictSame(prefixed.encode('lungs').inputIds, plain.encode(' lungs').inputIds);
});
