import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import {
  type EncodedPrompt,
  type GenerateOptions,
  Pipeline,
  Tensor,
  type TextEncoder,
  TextProjection,
} from '../../src/index.js';
import { goldenPath, relativeError, withoutGolden } from '../support/golden.js';
import { recipeFolder } from '../support/recipe.js';
import { loadTinyPipeline, quick, tinyPipelineFolder } from '../support/tiny-pipeline.js';

const bert = await recipeFolder('recipe-bert'); // 24 wide, 64 tokens
const roberta = await recipeFolder('recipe-roberta'); // 32 wide as the U-Net, 48 tokens
const latents = { ...quick, output: 'latents' } as const;

async function same(a: Tensor, b: Tensor) {
  return (await relativeError(a, b)) < 1e-5;
}

t.test('an encoder of the same width takes the place of CLIP', async (t) => {
  using pipeline = await loadTinyPipeline({ textEncoder: roberta });
  t.equal(pipeline.textProjection, undefined);
  const made = await pipeline.generate({ ...latents, prompt: ['clear', 'small effusion left'] });
  t.same(made.latents.shape, [2, 4, 8, 8]);
  // Padding is hidden from the U-Net as well: a longer companion changes nothing.
  const seed = [1, 2];
  const [two, one] = await Promise.all([
    pipeline.generate({ ...latents, prompt: ['clear', 'small effusion left'], seed }),
    pipeline.generate({ ...latents, prompt: 'clear', seed: 1 }),
  ]);
  t.ok(await same(await two.latents.slice(0, 0, 1), one.latents));
});

t.test('the shared BERT in the shared pipeline', { skip: withoutGolden }, async (t) => {
  const textEncoder = goldenPath('tiny-bert/model');
  using pipeline = await Pipeline.load(goldenPath('tiny-sd1/model'), { textEncoder });
  const { images } = await pipeline.generate({ ...quick, negativePrompt: 'blurry' });
  t.equal(images.length, 1);
});

t.test('another width needs a projection, and the message says both', async (t) => {
  await t.rejects(loadTinyPipeline({ textEncoder: bert }), {
    code: 'ERR_CONFIG_INVALID',
    message: /24 wide.*attends to 32.*textProjection/,
  });
  for (const textProjection of ['mlp', 'linear']) {
    using pipeline = await loadTinyPipeline({ textEncoder: bert, textProjection });
    t.match(pipeline.textProjection, { inFeatures: 24, outFeatures: 32 });
    t.equal((await pipeline.generate(quick)).images.length, 1);
  }
  using wrong = await TextProjection.create({ inFeatures: 16, outFeatures: 32 });
  await t.rejects(loadTinyPipeline({ textEncoder: bert, textProjection: wrong }), {
    code: 'ERR_CONFIG_INVALID',
    message: /from 16 to 32.*24 wide/,
  });
  await t.rejects(loadTinyPipeline({ textEncoder: bert, textProjection: '/nowhere' }), {
    code: 'ERR_MODEL_NOT_FOUND',
  });
});

t.test('a projection that was saved into the folder is loaded with it', async (t) => {
  const folder = t.testdir();
  await cp(await tinyPipelineFolder(), folder, { recursive: true });
  using made = await loadTinyPipeline({ textEncoder: bert, textProjection: 'mlp' });
  await made.textProjection?.save(join(folder, 'text_projection'));
  using pipeline = await Pipeline.load(folder, { textEncoder: bert });
  const [a, b] = [await made.generate(latents), await pipeline.generate(latents)];
  t.same(a.latents.data(), b.latents.data());
  t.not(await made.digest(), await pipeline.digest(), 'the digest covers its file');
  await t.rejects(Pipeline.load(folder), { code: 'ERR_CONFIG_INVALID', message: /from 24 to 32/ });
});

t.test('also where the widths are the same, when asked for', async (t) => {
  using plain = await loadTinyPipeline();
  using projected = await loadTinyPipeline({ textProjection: 'linear' });
  const [a, b] = [await plain.generate(latents), await projected.generate(latents)];
  t.notOk(await same(a.latents, b.latents));
  const { promptEmbeddings } = await projected.encodePrompt({ prompt: quick.prompt });
  const { lastHiddenState } = await plain.textEncoder.encode(quick.prompt);
  const expected = await projected.textProjection?.forward(lastHiddenState);
  t.ok(await same(promptEmbeddings.states, expected as Tensor));
});

t.test('encoded prompts are what generate makes of texts', async (t) => {
  const encoders = [undefined, roberta];
  for (const textEncoder of encoders) {
    using pipeline = await loadTinyPipeline(textEncoder ? { textEncoder } : {});
    const texts = { prompt: ['clear', 'small effusion left'], negativePrompt: 'blurry' };
    const { truncated, ...encoded } = await pipeline.encodePrompt({ ...texts, clipSkip: 1 });
    t.same(truncated, []);
    t.equal(encoded.promptEmbeddings.mask === null, textEncoder === undefined);
    t.same(encoded.negativePromptEmbeddings.states.shape, encoded.promptEmbeddings.states.shape);
    const { prompt: _, ...rest } = latents;
    const byText = await pipeline.generate({ ...rest, ...texts, clipSkip: 1 });
    const byStates = await pipeline.generate({ ...rest, ...encoded });
    t.ok(await same(byStates.latents, byText.latents));
    // The negative prompt may stay a text: it is brought to the same length.
    const mixed = await pipeline.generate({
      ...rest,
      promptEmbeddings: encoded.promptEmbeddings,
      negativePrompt: 'blurry',
    });
    const plain = await pipeline.encodePrompt(texts);
    const both = await pipeline.generate({
      ...rest,
      promptEmbeddings: encoded.promptEmbeddings,
      negativePromptEmbeddings: plain.negativePromptEmbeddings,
    });
    t.ok(await same(mixed.latents, both.latents));
  }
});

t.test('a long prompt in chunks is its chunks, one after the other', async (t) => {
  using pipeline = await loadTinyPipeline();
  const { textEncoder } = pipeline;
  const words = Array.from({ length: 80 }, (_, n) => (n % 3 ? 'effusion' : 'lung'));
  const prompt = words.join(' ');
  const ids = textEncoder.tokenizer.encode(prompt, { truncation: false }).inputIds.slice(1, -1);
  const { promptEmbeddings, negativePromptEmbeddings, truncated } = await pipeline.encodePrompt({
    prompt,
    longPrompt: 'chunk',
  });
  t.same(truncated, []);
  const chunks = [ids.slice(0, 75), ids.slice(75)];
  t.ok(ids.length > 75 && ids.length <= 150);
  const states = await Promise.all(chunks.map((chunk) => encodeByHand(textEncoder, chunk)));
  t.ok(await same(promptEmbeddings.states, await Tensor.cat(states, 1)));
  t.equal(promptEmbeddings.mask, null);
  const empty = await encodeByHand(textEncoder, []);
  t.ok(await same(negativePromptEmbeddings.states, await Tensor.cat([empty, empty], 1)));

  const long = await pipeline.generate({ ...latents, prompt, longPrompt: 'chunk' });
  const cut = await pipeline.generate({ ...latents, prompt });
  t.same([long.truncated, cut.truncated.length], [[], 1]);
  t.notOk(await same(long.latents, cut.latents));
  // Embeddings of two chunks bring the negative text to two.
  const { prompt: _, ...rest } = latents;
  const given = await pipeline.generate({ ...rest, promptEmbeddings });
  t.ok(await same(given.latents, long.latents));
});

t.test('chunks of a masked encoder do not depend on the company', async (t) => {
  using pipeline = await loadTinyPipeline({ textEncoder: roberta });
  const prompt = 'small left effusion '.repeat(30);
  const encode = (prompts: string[]) =>
    pipeline.encodePrompt({ prompt: prompts, longPrompt: 'chunk' });
  const { promptEmbeddings } = await encode([prompt]);
  t.ok((promptEmbeddings.states.shape[1] ?? 0) > 48, 'longer than the encoder takes');
  const seed = [5, 6];
  const options = { ...latents, longPrompt: 'chunk' } as const;
  const two = await pipeline.generate({ ...options, prompt: ['clear', prompt], seed });
  const one = await pipeline.generate({ ...options, prompt: 'clear', seed: 5 });
  t.ok(await same(await two.latents.slice(0, 0, 1), one.latents));
});

t.test('what cannot be encoded is named', async (t) => {
  using pipeline = await loadTinyPipeline();
  const code = 'ERR_INVALID_ARG';
  const encode = (options: object) => pipeline.encodePrompt(options as { prompt: string });
  await t.rejects(encode({}), { code, message: /prompt/ });
  await t.rejects(encode({ prompt: 'x', longPrompt: 'split' }), { code, message: /longPrompt/ });
  await t.rejects(encode({ prompt: 'x', negativePrompt: ['a', 'b'] }), { code });
  await t.rejects(encode({ prompt: 'x', clip_skip: 1 }), { code, message: /clip_skip/ });
  const states = Tensor.zeros([1, 77, 32]);
  const generate = (options: object) => pipeline.generate(options as GenerateOptions);
  await t.rejects(generate({ promptEmbeddings: { states } }), { code });
  await t.rejects(generate({ prompt: 'x', longPrompt: 1 }), { code });
  const aborted = { prompt: 'x', signal: AbortSignal.abort(new Error('no')) };
  await t.rejects(pipeline.encodePrompt(aborted), { message: 'no' });
  const wrongMask = { states, mask: Tensor.ones([1, 76], { dtype: 'int64' }) };
  const given: Partial<EncodedPrompt> = { promptEmbeddings: wrongMask };
  await t.rejects(pipeline.generate({ ...given, steps: 1, width: 64, height: 64 }), {
    code: 'ERR_SHAPE',
  });
});

/** Ids between CLIP's start and end tokens, padded as the tokenizer pads. */
async function encodeByHand(encoder: TextEncoder, ids: readonly number[]): Promise<Tensor> {
  const { bosTokenId = 0, eosTokenId = 0, padTokenId = 0 } = encoder.tokenizer;
  const all = [bosTokenId, ...ids, eosTokenId];
  const row = [...all, ...new Array(77 - all.length).fill(padTokenId)];
  const inputIds = Tensor.from(row, { dtype: 'int64', shape: [1, 77] });
  return (await encoder.forward({ inputIds })).lastHiddenState;
}
