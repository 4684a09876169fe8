import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadTokenizer } from '../../src/tokenizers/load-tokenizer.js';
import { fixture, readJson } from './fixture-files.js';

// The entries of CLIP's vocabulary that the texts need, with their real ids; expected.json is by
// transformers 5.18 with the whole vocabulary.
const folder = fixture('clip-subset');
const cases = readJson(join(folder, 'expected.json'));

t.test('ids are those of transformers', async (t) => {
  const tokenizer = await loadTokenizer(folder);
  for (const { text, sd1 } of cases) {
    t.strictSame(tokenizer.encode(text, { truncation: false }).inputIds, sd1, text);
  }
  t.equal(tokenizer.bosTokenId, 49406);
  t.equal(tokenizer.eosTokenId, 49407);
  t.equal(tokenizer.padTokenId, 49407);
  t.equal(tokenizer.clsTokenId, undefined);
  t.equal(tokenizer.modelMaxLength, 77);
  t.equal(tokenizer.vocabSize, 49408);
});

t.test(
  'Stable Diffusion 2 pads with "!", which its special_tokens_map.json alone says',
  async (t) => {
    const path = t.testdir({});
    cpSync(folder, path, { recursive: true });
    const map = { pad_token: '!', bos_token: '<|startoftext|>', eos_token: '<|endoftext|>' };
    writeFileSync(join(path, 'special_tokens_map.json'), JSON.stringify(map));
    const tokenizer = await loadTokenizer(path);
    t.equal(tokenizer.padTokenId, 0);
    t.strictSame(
      tokenizer.encode('lung', { padding: 'max_length', maxLength: 5 }).inputIds,
      [49406, 16271, 49407, 0, 0],
    );
    for (const { text, sd2 } of cases) {
      t.strictSame(tokenizer.encode(text, { truncation: false }).inputIds, sd2, text);
    }
  },
);

t.test('cutting keeps the end token and says what was cut', async (t) => {
  const tokenizer = await loadTokenizer(folder);
  const whole = tokenizer.encode('A photo of a lung x-ray');
  t.match(whole, { truncated: false, tokenCount: 10, droppedText: '' });
  const cut = tokenizer.encode('A photo of a lung x-ray', { maxLength: 6 });
  t.strictSame(cut.inputIds, [49406, 320, 1125, 539, 320, 49407]);
  t.match(cut, { truncated: true, tokenCount: 10, droppedText: 'lung x - ray' });
  const long = tokenizer.encode('pneumonia '.repeat(200));
  t.equal(long.inputIds.length, 77);
  t.equal(long.inputIds.at(-1), 49407);
  t.equal(long.tokenCount, 202);
});

t.test('decode gives the text back in lower case', async (t) => {
  const tokenizer = await loadTokenizer(folder);
  const { inputIds } = tokenizer.encode('A photo of a Lung', { padding: 'max_length' });
  t.equal(tokenizer.decode(inputIds, { skipSpecialTokens: true }), 'a photo of a lung');
  t.match(tokenizer.decode(inputIds), /^<\|startoftext\|>a photo of a lung <\|endoftext\|>/);
  t.equal(tokenizer.decode([]), '');
  t.throws(() => tokenizer.decode([49408]), { code: 'ERR_INVALID_ARG' });
});

t.test('added tokens get new ids and are never split', async (t) => {
  const tokenizer = await loadTokenizer(folder);
  t.strictSame(tokenizer.addTokens(['<lung-xray>', '<b>', '<lung-xray>']), [49408, 49409, 49408]);
  t.strictSame(tokenizer.addTokens(['<b>']), [49409], 'a known token keeps its id');
  t.equal(tokenizer.vocabSize, 49410);
  t.equal(tokenizer.tokenToId('<b>'), 49409);
  t.strictSame(
    tokenizer.encode('a photo of <lung-xray>').inputIds,
    [49406, 320, 1125, 539, 49408, 49407],
  );
  t.strictSame(tokenizer.encode('a<lung-xray>a').inputIds, [49406, 320, 49408, 320, 49407]);
  t.equal(tokenizer.decode([320, 49408]), 'a <lung-xray>');
  for (const token of ['', ' ', undefined as unknown as string]) {
    t.throws(() => tokenizer.addTokens([token]), { code: 'ERR_INVALID_ARG' });
  }
});
