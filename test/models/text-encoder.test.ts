import t from 'tap';
import { Tensor, TextEncoder } from '../../src/index.js';
import { goldenCase, goldenPath, relativeError, tensor, withoutGolden } from '../support/golden.js';

t.test('CLIP text equals transformers', { skip: withoutGolden }, async (t) => {
  for (const family of ['tiny-sd1', 'tiny-sd2']) {
    using encoder = await TextEncoder.load(goldenPath(`${family}/model/text_encoder`));
    const expected = await goldenCase(`${family}/text_encoder.safetensors`);
    const prompts = JSON.parse(expected.metadata.prompts ?? '');

    const encoding = await encoder.encode(prompts, { hiddenStates: true });
    t.same(encoding.inputIds.data(), tensor(expected, 'input_ids').data(), 'ids');
    t.equal(encoding.truncated, false);
    const checks: [string, Tensor | undefined][] = [
      ['last_hidden_state', encoding.lastHiddenState],
      ['pooler_output', encoding.poolerOutput],
      ['hidden_states.-2', encoding.hiddenStates.at(-2)],
      ['clip_skip_1', (await encoder.encode(prompts, { skipLayers: 1 })).lastHiddenState],
    ];
    for (const [name, actual] of checks) {
      if (!actual) throw new Error(name);
      const error = await relativeError(actual, tensor(expected, name));
      t.ok(error <= 1e-5, `${family} ${name}: ${error}`);
    }
  }
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
  const ids = (values: number[]) => Tensor.from(values, { dtype: 'int64', shape: [1, values.length] });
  await t.rejects(encoder.forward({ inputIds: ids([49408]) }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(encoder.forward({ inputIds: ids([-1]) }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(encoder.forward({ inputIds: ids(new Array(78).fill(1)) }), { code: 'ERR_SHAPE' });
  await t.rejects(encoder.forward({ inputIds: Tensor.zeros([1, 4]) }), { code: 'ERR_DTYPE' });
  await t.rejects(encoder.encode([]), { code: 'ERR_INVALID_ARG' });
  await t.rejects(encoder.encode(7 as unknown as string), { code: 'ERR_INVALID_ARG' });
});
