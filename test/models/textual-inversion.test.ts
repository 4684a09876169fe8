import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { nativeMemory, Pipeline, saveTensors, Tensor, TextEncoder } from '../../src/index.js';
import { goldenPath, relativeError, tensor, withoutGolden } from '../support/golden.js';
import { committed, committedCase, recipeFolder } from '../support/recipe.js';
import { loadTinyPipeline, quick, tinyPipelineFolder } from '../support/tiny-pipeline.js';

const learned = join(committed, 'recipe-sd1/learned_tokens');
const effusion = join(learned, 'effusion.safetensors');
const texture = join(learned, 'texture.safetensors');
const style = join(learned, 'ap-style.safetensors');

const loadTiny = async () => TextEncoder.load(join(await tinyPipelineFolder(), 'text_encoder'));

/** A file of its own for a test. */
async function embeddings(t: Test, tensors: Record<string, Tensor>): Promise<string> {
  const path = join(t.testdir(), 'my-token.safetensors');
  await saveTensors(path, tensors);
  return path;
}

t.test('prompts with learned tokens equal diffusers', async (t) => {
  using encoder = await loadTiny();
  const tokens: string[] = [];
  for (const path of [effusion, texture, style]) {
    tokens.push(await encoder.loadTextualInversion(path));
  }
  t.same(tokens, ['<effusion>', '<texture>', 'ap-style']);
  t.same(encoder.learnedTokens, tokens);
  t.same(encoder.weightFiles.slice(1), [effusion, texture, style]);
  const expected = await committedCase('recipe-sd1/learned_tokens', 'prompts');
  const encoding = await encoder.encode(JSON.parse(expected.metadata.prompts ?? ''));
  t.same(encoding.inputIds.data(), tensor(expected, 'input_ids').data());
  const error = await relativeError(encoding.lastHiddenState, tensor(expected, 'states'));
  t.ok(error <= 1e-5, String(error));
});

t.test('a token that is taken back is unknown again, and the others stay', async (t) => {
  using encoder = await loadTiny();
  const encode = async (text: string) => (await encoder.encode(text)).lastHiddenState.data();
  const plain = await encode('an <effusion> here');
  const other = await encode('a ct');
  await encoder.loadTextualInversion(texture);
  await encoder.loadTextualInversion(effusion);
  const withToken = await encode('an <effusion> here');
  t.notSame(withToken, plain);
  await encoder.unloadTextualInversion('<texture>');
  t.same(await encode('an <effusion> here'), withToken);
  await encoder.unloadTextualInversion('<effusion>');
  t.same(await encode('an <effusion> here'), plain);
  t.same(await encode('a ct'), other);
  t.same(encoder.learnedTokens, []);
  await t.rejects(encoder.unloadTextualInversion('<effusion>'), { code: 'ERR_INVALID_ARG' });
  await encoder.loadTextualInversion(effusion);
  t.same(await encode('an <effusion> here'), withToken, 'and it can come back');
});

t.test('the pooled output does not take a learned token for the end', async (t) => {
  using encoder = await loadTiny();
  await encoder.loadTextualInversion(effusion);
  const { lastHiddenState, pooled } = await encoder.encode('a <effusion>', { pooling: 'eot' });
  const atEnd = await lastHiddenState.slice(1, 3, 4); // start, a, <effusion>, end
  t.ok((await relativeError(await atEnd.reshape([1, 32]), pooled as Tensor)) < 1e-6);
});

t.test('a pipeline loads several, under names of the caller', async (t) => {
  const folder = t.testdir();
  await mkdir(join(folder, 'folder'));
  await cp(effusion, join(folder, 'folder/learned_embeds.safetensors'));
  using pipeline = await loadTinyPipeline({
    embeddings: [texture, { path: join(folder, 'folder'), token: '<fluid>' }],
  });
  t.same(pipeline.textEncoder.learnedTokens, ['<texture>', '<fluid>']);
  const digest = await pipeline.digest();
  const prompt = { ...quick, prompt: 'a <fluid>', output: 'latents' } as const;
  const { latents } = await pipeline.generate(prompt);
  t.equal(await pipeline.loadTextualInversion(effusion), '<effusion>');
  t.not(await pipeline.digest(), digest, 'the model is another one now');
  const same = await pipeline.generate({ ...prompt, prompt: 'a <effusion>' });
  t.ok((await relativeError(same.latents, latents)) < 1e-5);
  await pipeline.unloadTextualInversion('<fluid>');
  const unknown = await pipeline.generate(prompt);
  t.ok((await relativeError(unknown.latents, latents)) > 1e-3);
});

t.test('a BERT learns tokens too', async (t) => {
  using encoder = await TextEncoder.load(await recipeFolder('recipe-bert'));
  const path = await embeddings(t, { '[fluid]': await Tensor.randn([2, 24], { seed: 1 }) });
  const rows = encoder.tokenizer.vocabSize;
  await encoder.loadTextualInversion(path);
  const { inputIds } = encoder.tokenizer.encode('clear [fluid] lungs');
  t.same(inputIds.slice(2, 4), [rows, rows + 1]);
  t.same((await encoder.encode('clear [fluid] lungs')).lastHiddenState.shape, [1, 6, 24]);
});

t.test('the learned embedding of the shared cases', { skip: withoutGolden }, async (t) => {
  const model = goldenPath('tiny-sd1/model');
  using pipeline = await Pipeline.load(model, {
    embeddings: [goldenPath('training/learned_embeds.safetensors')],
  });
  const { tokenizer } = pipeline.textEncoder;
  t.equal(tokenizer.tokenToId('<effusion>'), 49408, 'the placeholder_id of the case');
  t.same(tokenizer.encode('<effusion>').inputIds, [49406, 49408, 49407]);
});

// PyTorch's own files need their reader.
t.test('learned_embeds.bin holds the same', { skip: withoutGolden }, async (t) => {
  using encoder = await TextEncoder.load(goldenPath('tiny-sd1/model/text_encoder'));
  const [bin, safe] = ['bin', 'safetensors'].map((type) =>
    goldenPath(`training/learned_embeds.${type}`),
  ) as [string, string];
  t.equal(await encoder.loadTextualInversion(bin), '<effusion>');
  const { lastHiddenState } = await encoder.encode('<effusion>');
  await encoder.loadTextualInversion(safe, { token: '<other>' });
  t.same((await encoder.encode('<other>')).lastHiddenState.data(), lastHiddenState.data());
});

t.test('what cannot be loaded is said, and nothing changes', async (t) => {
  using encoder = await loadTiny();
  const row = Tensor.ones([32]);
  const nan = Tensor.full([32], Number.NaN);
  const cases: [string, Record<string, Tensor>, string, RegExp][] = [
    ['another width', { x: Tensor.ones([16]) }, 'ERR_SHAPE', /16 wide.*32/],
    ['two tokens', { x: row, y: row }, 'ERR_WEIGHTS_UNEXPECTED_KEY', /x, y/],
    ['three dimensions', { x: Tensor.ones([1, 1, 32]) }, 'ERR_SHAPE', /\[1,1,32\]/],
    ['no vector', { x: Tensor.ones([0, 32]) }, 'ERR_SHAPE', /\[0,32\]/],
    ['NaN', { '<nan>': nan }, 'ERR_NON_FINITE', /finite/],
    ['a known token', { 'lung</w>': row }, 'ERR_INVALID_ARG', /has 'lung<\/w>' already/],
  ];
  for (const [name, tensors, code, message] of cases) {
    const path = await embeddings(t, tensors);
    await t.rejects(encoder.loadTextualInversion(path), { code, message }, name);
  }
  await encoder.loadTextualInversion(effusion);
  await t.rejects(encoder.loadTextualInversion(effusion), { code: 'ERR_INVALID_ARG' });
  const clash = await embeddings(t, { '<a>': Tensor.ones([2, 32]) });
  await encoder.loadTextualInversion(effusion, { token: '<a>_1' });
  await t.rejects(encoder.loadTextualInversion(clash), { message: /'<a>_1' already/ });
  t.same(encoder.learnedTokens, ['<effusion>', '<a>_1']);
  await t.rejects(encoder.loadTextualInversion('/nowhere.safetensors'), {
    code: 'ERR_MODEL_NOT_FOUND',
  });
  await t.rejects(encoder.loadTextualInversion(t.testdir()), { code: 'ERR_MODEL_NOT_FOUND' });
  await t.rejects(loadTinyPipeline({ embeddings: ['/nowhere'] }), { code: 'ERR_MODEL_NOT_FOUND' });
});

t.test('V8 is told of the longer table, and when it is gone', async (t) => {
  const before = nativeMemory().bytes;
  const encoder = await loadTiny();
  const loaded = nativeMemory().bytes;
  const table = encoder.tokenizer.vocabSize * encoder.hiddenSize * 4;
  await encoder.loadTextualInversion(effusion);
  const taught = nativeMemory().bytes;
  t.ok(taught - loaded >= table, 'a second table, beside the checkpoint’s');
  await encoder.loadTextualInversion(texture);
  t.ok(nativeMemory().bytes - taught < table / 2, 'which the next token replaces');
  await encoder.unloadTextualInversion('<texture>');
  await encoder.unloadTextualInversion('<effusion>');
  t.ok(nativeMemory().bytes - loaded < table / 2);
  await encoder.loadTextualInversion(effusion);
  encoder.dispose();
  t.ok(nativeMemory().bytes - before < table / 2);
});

t.test('AUTOMATIC1111’s PyTorch form names its token inside', async (t) => {
  using encoder = await loadTiny();
  const token = await encoder.loadTextualInversion(join(committed, 'formats/embedding.pt'));
  t.equal(token, 'ap-style');
  t.same(encoder.learnedTokens, ['ap-style']);
  const plain = await encoder.encode('a lung');
  const styled = await encoder.encode('a lung ap-style');
  t.ok((await relativeError(styled.lastHiddenState, plain.lastHiddenState)) > 1e-3);
});

t.test('a tokenizer whose ids are far outside the table makes none of that size', async (t) => {
  const tokenizer = t.testdir({
    'vocab.txt': '[UNK]\n[CLS]\n[SEP]\n[PAD]\nlung\n',
    'added_tokens.json': '{"<far>": 2000000000}',
  });
  using encoder = await TextEncoder.load(await recipeFolder('recipe-bert'), { tokenizer });
  const path = await embeddings(t, { '<x>': Tensor.ones([24]) });
  await t.rejects(encoder.loadTextualInversion(path), {
    code: 'ERR_TOKENIZER',
    message: /2000000001/,
  });
  t.same(encoder.learnedTokens, []);
});
