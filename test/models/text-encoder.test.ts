import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  cosineSimilarity,
  type EncodeTextOptions,
  loadTensors,
  type Pooling,
  Tensor,
  TextEncoder,
} from '../../src/index.js';
import {
  goldenPath,
  pipelines,
  type ReferenceModel,
  relativeError,
  tensor,
  withoutGolden,
} from '../support/golden.js';
import { committedCase, recipeFolder } from '../support/recipe.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

const loadTiny = async () => TextEncoder.load(join(await tinyPipelineFolder(), 'text_encoder'));
const loadBert = async (options?: Parameters<typeof TextEncoder.load>[1]) =>
  TextEncoder.load(await recipeFolder('recipe-bert'), options);

async function load(model: ReferenceModel): Promise<TextEncoder> {
  const tokenizer = await model.tokenizer();
  return TextEncoder.load(join(await model.folder(), 'text_encoder'), { tokenizer });
}

for (const model of pipelines) {
  t.test(`${model.name}: CLIP text equals transformers`, { skip: model.skip }, async (t) => {
    using encoder = await load(model);
    const expected = await model.case('text_encoder');
    const inputIds = tensor(expected, 'input_ids');
    const states = await encoder.forward({ inputIds }, { hiddenStates: true });
    const skipped = await encoder.forward({ inputIds }, { skipLayers: 1 });
    const chosen = await encoder.forward({ inputIds }, { layer: -2, pooling: 'none' });
    const pooled = await encoder.forward({ inputIds }, { pooling: 'eot' });
    const checks: [string, Tensor | undefined][] = [
      ['last_hidden_state', states.lastHiddenState],
      ['pooler_output', states.poolerOutput],
      ['pooler_output', pooled.pooled],
      ['hidden_states.-2', states.hiddenStates.at(-2)],
      ['hidden_states.-2', chosen.lastHiddenState],
      ['clip_skip_1', skipped.lastHiddenState],
    ];
    for (const [name, actual] of checks) {
      if (!actual) throw new Error(name);
      const error = await relativeError(actual, tensor(expected, name));
      t.ok(error <= 1e-5, `${name}: ${error}`);
    }
  });

  t.test(`${model.name}: texts go through the tokenizer`, { skip: model.skip }, async (t) => {
    using encoder = await load(model);
    const expected = await model.case('text_encoder');
    const encoding = await encoder.encode(JSON.parse(expected.metadata.prompts ?? ''));
    t.same(encoding.inputIds.data(), tensor(expected, 'input_ids').data());
    t.equal(encoding.truncated, false);
    const error = await relativeError(
      encoding.lastHiddenState,
      tensor(expected, 'last_hidden_state'),
    );
    t.ok(error <= 1e-5, String(error));
  });
}

const berts = [
  { name: 'recipe-bert', file: 'bert', poolings: ['pooler', 'projection'] },
  { name: 'recipe-roberta', file: 'roberta', poolings: [] },
] as const;

for (const { name, file, poolings } of berts) {
  t.test(`${name}: texts become the states and vectors of transformers`, async (t) => {
    using encoder = await TextEncoder.load(await recipeFolder(name));
    const expected = await committedCase(name, file);
    const texts: string[] = JSON.parse(expected.metadata.texts ?? '');
    const encoding = await encoder.encode(texts, { hiddenStates: true });
    t.same(encoding.inputIds.data(), tensor(expected, 'input_ids').data());
    t.same(encoding.attentionMask.data(), tensor(expected, 'attention_mask').data());
    await close(t, encoding.lastHiddenState, tensor(expected, 'last_hidden_state'));
    await close(t, encoding.hiddenStates[1] as Tensor, tensor(expected, 'hidden_states.1'));
    for (const pooling of ['cls', 'mean', 'eot', ...poolings] as const) {
      const { pooled } = await encoder.encode(texts, { pooling });
      const key = pooling === 'pooler' ? 'pooler_output' : pooling;
      await close(t, pooled as Tensor, tensor(expected, key), pooling);
    }
  });
}

t.test('the shared BERT equals transformers', { skip: withoutGolden }, async (t) => {
  using encoder = await TextEncoder.load(goldenPath('tiny-bert/model'));
  const expected = await loadTensors(goldenPath('tiny-bert/bert.safetensors'));
  const texts: string[] = JSON.parse(expected.metadata.prompts ?? '');
  const ids = { maxLength: 32, padding: 'max_length' } as const;
  const encoding = await encoder.encode(texts, { ...ids, pooling: 'mean' });
  t.same(encoding.inputIds.data(), tensor(expected, 'input_ids').data());
  await close(t, encoding.lastHiddenState, tensor(expected, 'last_hidden_state'));
  await close(t, encoding.pooled as Tensor, tensor(expected, 'mean_pooled'));
  await close(t, encoding.poolerOutput as Tensor, tensor(expected, 'pooler_output'));
  const second = await encoder.encode(texts, { ...ids, layer: -2 });
  await close(t, second.lastHiddenState, tensor(expected, 'hidden_states.-2'));
});

t.test('padding changes nothing where it is hidden, nor do batches', async (t) => {
  using encoder = await loadBert();
  const texts = ['No pneumothorax.', 'small left pleural effusion, normal heart size', 'clear'];
  const vectors = async (options: EncodeTextOptions) =>
    (await encoder.encode(texts, { pooling: 'mean', ...options })).pooled as Tensor;
  const reference = await vectors({});
  await close(t, await vectors({ padding: 'max_length' }), reference);
  await close(t, await vectors({ batchSize: 1 }), reference);
  const { lastHiddenState, hiddenStates, projection, inputIds } = await encoder.encode(texts, {
    batchSize: 2,
    hiddenStates: true,
  });
  t.equal(lastHiddenState.shape[0], 3);
  t.same(projection?.shape, [3, 16]);
  t.equal(hiddenStates.length, 4);
  t.equal(inputIds.shape[0], 3);
});

t.test('vectors of length 1, and how near they are', async (t) => {
  using encoder = await loadBert();
  const texts = ['No effusion.', 'No effusion.', 'Cardiomegaly'];
  const encode = (normalize: boolean) => encoder.encode(texts, { pooling: 'mean', normalize });
  const [plain, scaled] = [(await encode(false)).pooled, (await encode(true)).pooled];
  const norms = (await (scaled as Tensor).norm([1])).data() as Float32Array;
  for (const norm of norms) t.ok(Math.abs(norm - 1) < 1e-6);
  const cosines = await cosineSimilarity(plain as Tensor);
  t.same(cosines.shape, [3, 3]);
  const product = await (scaled as Tensor).matmul(await (scaled as Tensor).permute([1, 0]));
  await close(t, cosines, product);
  t.ok(Math.abs(Number(cosines.data()[1]) - 1) < 1e-6);
  const between = await cosineSimilarity(plain as Tensor, Tensor.zeros([1, 24]));
  t.same([...between.data()], [0, 0, 0], 'a vector of zeros is near to nothing');
  const misuse: [Tensor, Tensor, string][] = [
    [Tensor.zeros([2, 3]), Tensor.zeros([2, 4]), 'ERR_SHAPE'],
    [Tensor.zeros([3]), Tensor.zeros([2, 3]), 'ERR_SHAPE'],
    [Tensor.zeros([2, 3]), Tensor.zeros([2, 3], { dtype: 'float64' }), 'ERR_DTYPE'],
    [Tensor.zeros([2, 3], { dtype: 'int64' }), Tensor.zeros([2, 3]), 'ERR_DTYPE'],
  ];
  for (const [a, b, code] of misuse) await t.rejects(cosineSimilarity(a, b), { code });
  await t.rejects(cosineSimilarity([1] as unknown as Tensor), { code: 'ERR_INVALID_ARG' });
});

t.test('a prompt that is too long is cut, and says so', async (t) => {
  using encoder = await loadTiny();
  const encoding = await encoder.encode(['short', 'effusion '.repeat(100)]);
  t.equal(encoding.truncated, true);
  t.equal(encoding.droppedTexts[0], '');
  t.match(encoding.droppedTexts[1], /effusion/);
  t.same(encoding.lastHiddenState.shape, [2, 77, 32]);
  using bert = await loadBert();
  const cut = await bert.encode(['clear', 'small effusion '.repeat(40)], { pooling: 'mean' });
  t.same([cut.truncated, cut.droppedTexts[0], cut.inputIds.shape], [true, '', [2, 64]]);
  t.match(cut.droppedTexts[1], /small effusion/);
});

t.test('CLIP vectors do not depend on padding', async (t) => {
  using encoder = await loadTiny();
  const encode = async (options: EncodeTextOptions) =>
    (await encoder.encode(['effusion', 'a longer text'], options)) as { pooled: Tensor };
  for (const pooling of ['eot', 'mean', 'pooler'] as Pooling[]) {
    const short = await encode({ pooling });
    const whole = await encode({ pooling, padding: 'max_length' });
    await close(t, short.pooled, whole.pooled, pooling);
  }
});

t.test('half precision gives the same vectors to rounding', async (t) => {
  using encoder = await loadBert();
  const { pooled } = await encoder.encode('No effusion.', { pooling: 'projection' });
  for (const dtype of ['bfloat16', 'float16'] as const) {
    using half = await loadBert({ dtype });
    const { pooled: rounded } = await half.encode('No effusion.', { pooling: 'projection' });
    t.equal(rounded?.dtype, dtype);
    const error = await relativeError(rounded as Tensor, pooled as Tensor);
    t.ok(error <= 2e-2, `${dtype}: ${error}`);
  }
});

t.test('what does not fit is named', async (t) => {
  using encoder = await loadTiny();
  const ids = (values: number[]) =>
    Tensor.from(values, { dtype: 'int64', shape: [1, values.length] });
  await t.rejects(encoder.forward({ inputIds: ids([49408]) }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(encoder.forward({ inputIds: ids([-1]) }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(encoder.forward({ inputIds: ids(new Array(78).fill(1)) }), { code: 'ERR_SHAPE' });
  await t.rejects(encoder.forward({ inputIds: Tensor.zeros([1, 4]) }), { code: 'ERR_DTYPE' });
  await t.rejects(encoder.encode([]), { code: 'ERR_INVALID_ARG' });
  await t.rejects(encoder.encode(7 as unknown as string), { code: 'ERR_INVALID_ARG' });
});

t.test('an option or a pooling that cannot be is an error', async (t) => {
  using clip = await loadTiny();
  using bert = await loadBert();
  using roberta = await TextEncoder.load(await recipeFolder('recipe-roberta'));
  const cases: [TextEncoder, object, RegExp][] = [
    [bert, { poolling: 'mean' }, /poolling/],
    [bert, { pooling: 'max' }, /pooling/],
    [bert, { layer: 4 }, /layer: expected -4 to 3/],
    [bert, { layer: -5 }, /layer: expected -4 to 3/],
    [bert, { layer: 0.5 }, /layer/],
    [bert, { layer: 1, skipLayers: 1 }, /layer and skipLayers/],
    [bert, { layer: 1, pooling: 'pooler' }, /belongs to the last layer/],
    [bert, { normalize: true }, /normalize/],
    [bert, { batchSize: 0 }, /batchSize/],
    [bert, { maxLength: 2 }, /maxLength: expected more than the 2 special tokens/],
    [roberta, { pooling: 'pooler' }, /has no pooler. Choose/],
    [clip, { pooling: 'projection' }, /has no projection/],
    [clip, { pooling: 'cls' }, /sees nothing of its text/],
  ];
  for (const [encoder, options, message] of cases) {
    await t.rejects(encoder.encode('x', options as EncodeTextOptions), {
      code: 'ERR_INVALID_ARG',
      message,
    });
  }
  bert.dispose();
  await t.rejects(bert.encode('x'), { code: 'ERR_DISPOSED' });
});

async function close(t: Test, actual: Tensor, expected: Tensor, name = '') {
  const error = await relativeError(actual, expected);
  t.ok(error <= 1e-5, `${name} ${error}`);
}
