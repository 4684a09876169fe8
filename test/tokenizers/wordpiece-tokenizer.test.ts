import { join } from 'node:path';
import t from 'tap';
import { loadTokenizer } from '../../src/tokenizers/load-tokenizer.js';
import { bertFolder, fixture, readJson } from './fixture-files.js';

// A vocabulary of 40 entries; expected.json is by transformers 5.18.
const vocabText = join(fixture('bert'), 'vocab.txt');
const { texts, ...expected } = readJson(join(fixture('bert'), 'expected.json'));

const configs = {
  cased: { do_lower_case: false },
  uncased: { do_lower_case: true },
  accents: { do_lower_case: true, strip_accents: false },
  joined: { do_lower_case: false, tokenize_chinese_chars: false },
};

for (const [name, config] of Object.entries(configs)) {
  t.test(`ids are those of transformers: ${JSON.stringify(config)}`, async (t) => {
    const tokenizer = await loadTokenizer(t.testdir(bertFolder(vocabText, config)));
    for (const [index, text] of texts.entries()) {
      t.strictSame(tokenizer.encode(text).inputIds, expected[name][index], text);
    }
  });
}

t.test('without a configuration the class lowers case and names its tokens', async (t) => {
  const tokenizer = await loadTokenizer(fixture('bert'));
  t.strictSame(tokenizer.encode('LUNG').inputIds, [2, 13, 3]);
  t.match(tokenizer, {
    padTokenId: 0,
    unkTokenId: 1,
    clsTokenId: 2,
    sepTokenId: 3,
    maskTokenId: 4,
  });
  t.equal(tokenizer.modelMaxLength, Infinity);
  const bounded = await loadTokenizer(fixture('bert'), { modelMaxLength: 4 });
  t.equal(bounded.encode('lung lung lung').inputIds.length, 4);
});

t.test('pairs: types, longest text first to be cut', async (t) => {
  const tokenizer = await loadTokenizer(fixture('bert'));
  const pair = (a: number, b: number, maxLength: number) =>
    tokenizer.encode('x '.repeat(a), { pair: 'x '.repeat(b), maxLength });
  t.strictSame(tokenizer.encode('x', { pair: 'lung' }), {
    inputIds: [2, 8, 3, 13, 3],
    attentionMask: [1, 1, 1, 1, 1],
    tokenTypeIds: [0, 0, 0, 1, 1],
    truncated: false,
    tokenCount: 5,
    droppedText: '',
  });
  const kept = (a: number, b: number, maxLength: number) => {
    const ones = pair(a, b, maxLength).tokenTypeIds.filter((type) => type === 1).length;
    return [pair(a, b, maxLength).inputIds.length - ones - 2, ones - 1];
  };
  // As transformers 5.18 shares the room.
  t.strictSame(kept(3, 8, 12), [3, 6]);
  t.strictSame(kept(8, 3, 12), [6, 3]);
  t.strictSame(kept(6, 5, 12), [5, 4]);
  t.strictSame(kept(5, 6, 12), [4, 5]);
  t.strictSame(kept(6, 6, 12), [4, 5]);
  t.strictSame(kept(1, 8, 12), [1, 8]);
  t.equal(tokenizer.encode('x', { pair: '' }).inputIds.length, 3, 'an empty pair is none');
  t.equal(pair(3, 8, 12).droppedText, 'x x');
});

t.test('a batch is padded to its longest text', async (t) => {
  const tokenizer = await loadTokenizer(fixture('bert'));
  const [short, long] = tokenizer.encodeBatch(['x', 'x x x'], { padding: 'longest' });
  t.strictSame(short?.inputIds, [2, 8, 3, 0, 0]);
  t.strictSame(short?.attentionMask, [1, 1, 1, 0, 0]);
  t.strictSame(long?.inputIds, [2, 8, 8, 8, 3]);
  t.strictSame(tokenizer.encodeBatch([], { padding: 'longest' }), []);
  t.strictSame(
    tokenizer.encodeBatch(['x', 'x'], { pairs: ['lung', 'x'] }).map(({ inputIds }) => inputIds),
    [
      [2, 8, 3, 13, 3],
      [2, 8, 3, 8, 3],
    ],
  );
  t.strictSame(tokenizer.encode('x', { addSpecialTokens: false }).inputIds, [8]);
});

t.test('impossible arguments are named', async (t) => {
  const tokenizer = await loadTokenizer(fixture('bert'));
  const wrong: [unknown, object][] = [
    [undefined, {}],
    ['x', { maxLength: 0 }],
    ['x', { maxLength: 2 }],
    ['x', { maxLength: 2.5 }],
    ['x', { padding: 'max_length' }],
    ['x', { padding: true }],
    ['x', { max_length: 4 }],
  ];
  for (const [text, options] of wrong) {
    t.throws(() => tokenizer.encode(text as string, options), { code: 'ERR_INVALID_ARG' });
  }
  t.throws(() => tokenizer.encodeBatch('x' as never), { code: 'ERR_INVALID_ARG' });
  t.throws(() => tokenizer.encodeBatch(['x'], { pairs: [] }), { code: 'ERR_INVALID_ARG' });
});
