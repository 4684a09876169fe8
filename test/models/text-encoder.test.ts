import t from 'tap';
import { Tensor, TextEncoder } from '../../src/index.js';
import { goldenCase, goldenPath, relativeError, tensor, withoutGolden } from '../support/golden.js';

t.test('CLIP text equals transformers', { skip: withoutGolden }, async (t) => {
  for (const family of ['tiny-sd1', 'tiny-sd2']) {
    using encoder = await TextEncoder.load(goldenPath(`${family}/model/text_encoder`));
    const expected = await goldenCase(`${family}/text_encoder.safetensors`);
    const inputIds = tensor(expected, 'input_ids');
    const states = await encoder.forward({ inputIds }, { hiddenStates: true });
    const skipped = await encoder.forward({ inputIds }, { skipLayers: 1 });
    const checks: [string, Tensor | undefined][] = [
      ['last_hidden_state', states.lastHiddenState],
      ['pooler_output', states.poolerOutput],
      ['hidden_states.-2', states.hiddenStates.at(-2)],
      ['clip_skip_1', skipped.lastHiddenState],
    ];
    for (const [name, actual] of checks) {
      if (!actual) throw new Error(name);
      const error = await relativeError(actual, tensor(expected, name));
      t.ok(error <= 1e-5, `${family} ${name}: ${error}`);
    }
  }
});

t.test('texts are encoded with their tokenizer', { skip: withoutGolden }, async (t) => {
  using encoder = await TextEncoder.load(goldenPath('tiny-sd1/model/text_encoder'));
  const expected = await goldenCase('tiny-sd1/text_encoder.safetensors');
  const encoding = await encoder.encode(JSON.parse(expected.metadata.prompts ?? ''));
  t.same(encoding.inputIds.data(), tensor(expected, 'input_ids').data());
  t.equal(encoding.truncated, false);
  const error = await relativeError(
    encoding.lastHiddenState,
    tensor(expected, 'last_hidden_state'),
  );
  t.ok(error <= 1e-5, String(error));
});

t.test('a prompt that is too long is cut, and says so', { skip: withoutGolden }, async (t) => {
  using encoder = await TextEncoder.load(goldenPath('tiny-sd1/model/text_encoder'));
  const encoding = await encoder.encode(['short', 'effusion '.repeat(100)]);
  t.equal(encoding.truncated, true);
  t.equal(encoding.droppedTexts[0], '');
  t.match(encoding.droppedTexts[1], /effusion/);
  t.same(encoding.lastHiddenState.shape, [2, 77, 32]);
});

t.test('what does not fit is named', { skip: withoutGolden }, async (t) => {
  using encoder = await TextEncoder.load(goldenPath('tiny-sd1/model/text_encoder'));
  const ids = (values: number[]) =>
    Tensor.from(values, { dtype: 'int64', shape: [1, values.length] });
  await t.rejects(encoder.forward({ inputIds: ids([49408]) }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(encoder.forward({ inputIds: ids([-1]) }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(encoder.forward({ inputIds: ids(new Array(78).fill(1)) }), { code: 'ERR_SHAPE' });
  await t.rejects(encoder.forward({ inputIds: Tensor.zeros([1, 4]) }), { code: 'ERR_DTYPE' });
  await t.rejects(encoder.encode([]), { code: 'ERR_INVALID_ARG' });
  await t.rejects(encoder.encode(7 as unknown as string), { code: 'ERR_INVALID_ARG' });
});
