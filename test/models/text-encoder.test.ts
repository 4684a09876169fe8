import { join } from 'node:path';
import t from 'tap';
import { Tensor, TextEncoder } from '../../src/index.js';
import { pipelines, type ReferenceModel, relativeError, tensor } from '../support/golden.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

const loadTiny = async () => TextEncoder.load(join(await tinyPipelineFolder(), 'text_encoder'));

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
    const checks: [string, Tensor | undefined][] = [
      ['last_hidden_state', states.lastHiddenState],
      ['pooler_output', states.poolerOutput],
      ['hidden_states.-2', states.hiddenStates.at(-2)],
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

t.test('a prompt that is too long is cut, and says so', async (t) => {
  using encoder = await loadTiny();
  const encoding = await encoder.encode(['short', 'effusion '.repeat(100)]);
  t.equal(encoding.truncated, true);
  t.equal(encoding.droppedTexts[0], '');
  t.match(encoding.droppedTexts[1], /effusion/);
  t.same(encoding.lastHiddenState.shape, [2, 77, 32]);
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
