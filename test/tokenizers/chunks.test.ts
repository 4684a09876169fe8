import t from 'tap';
import { loadTokenizer } from '../../src/index.js';
import { recipeFolder } from '../support/recipe.js';

const load = async () => loadTokenizer(await recipeFolder('recipe-bert'), { modelMaxLength: 10 });

t.test('chunks hold every token of a text, each between its special tokens', async (t) => {
  const tokenizer = await load();
  const { clsTokenId, sepTokenId } = tokenizer;
  const text =
    'the lungs are clear no effusion right left small side the lungs are clear no heart size';
  const whole = tokenizer.encode(text, { truncation: false, addSpecialTokens: false }).inputIds;
  const chunks = tokenizer.encodeChunks(text);
  t.equal(chunks.length, Math.ceil(whole.length / 8));
  for (const { inputIds, truncated, droppedText } of chunks) {
    t.match([inputIds[0], inputIds.at(-1)], [clsTokenId, sepTokenId]);
    t.ok(inputIds.length <= 10);
    t.same([truncated, droppedText], [false, '']);
  }
  t.same(
    chunks.flatMap(({ inputIds }) => inputIds.slice(1, -1)),
    whole,
  );
  t.same(tokenizer.encodeChunks(''), [tokenizer.encode('')]);
  const [one, ...others] = tokenizer.encodeChunks(text, { maxLength: 100 });
  t.same([one?.inputIds, others], [tokenizer.encode(text, { maxLength: 100 }).inputIds, []]);
});

t.test('without a limit there is one chunk', async (t) => {
  const tokenizer = await loadTokenizer(await recipeFolder('recipe-bert'));
  t.equal(tokenizer.encodeChunks('clear '.repeat(50)).length, 1);
});

t.test('chunks without room for a token are an error', async (t) => {
  const tokenizer = await load();
  const code = 'ERR_INVALID_ARG';
  t.throws(() => tokenizer.encodeChunks('x', { maxLength: 2 }), { code });
  t.throws(() => tokenizer.encodeChunks('x', { max: 9 } as object), { code });
  t.throws(() => tokenizer.encodeChunks(7 as unknown as string), { code });
});

t.test('a sequence of tokens stands behind its first one, until it is taken back', async (t) => {
  const tokenizer = await loadTokenizer(await recipeFolder('recipe-bert'));
  const size = tokenizer.vocabSize;
  const ids = tokenizer.addTokenSequence(['[fluid]', '[fluid]_1', '[fluid]_2']);
  t.same(ids, [size, size + 1, size + 2]);
  const inside = tokenizer.encode('clear [fluid] lungs [fluid]').inputIds;
  t.same(inside.slice(2, 5), ids);
  t.same(inside.slice(6, 9), ids);
  const [other] = tokenizer.addTokens(['[air]']);
  tokenizer.removeTokens(['[fluid]', '[fluid]_1', '[fluid]_2']);
  t.equal(tokenizer.tokenToId('[fluid]'), undefined);
  t.equal(tokenizer.tokenToId('[air]'), other, 'other tokens keep their ids');
  t.same(tokenizer.encode('[air]').inputIds.slice(1, 2), [other]);
  t.throws(() => tokenizer.removeTokens(['[fluid]']), { code: 'ERR_INVALID_ARG' });
  t.throws(() => tokenizer.removeTokens(['[CLS]']), { code: 'ERR_INVALID_ARG' });
});
