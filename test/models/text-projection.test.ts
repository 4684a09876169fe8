import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  loadTensors,
  Tensor,
  TextProjection,
  type TextProjectionOptions,
} from '../../src/index.js';
import { relativeError, tensor } from '../support/golden.js';
import { committedCase } from '../support/recipe.js';

const widths = { inFeatures: 24, outFeatures: 32 };

t.test('a new projection is what PyTorch draws, and computes what diffusers does', async (t) => {
  const expected = await committedCase('', 'text_projection');
  const seed = Number(expected.metadata.seed);
  using projection = await TextProjection.create({ ...widths, hiddenSize: 40, seed });
  const folder = join(t.testdir(), 'text_projection');
  await projection.save(folder);
  const { tensors } = await loadTensors(join(folder, 'model.safetensors'));
  const names = ['linear_1.bias', 'linear_1.weight', 'linear_2.bias', 'linear_2.weight'];
  t.same(Object.keys(tensors).sort(), names);
  for (const name of names) t.same(tensors[name]?.data(), tensor(expected, name).data(), name);
  const states = tensor(expected, 'states');
  const error = await relativeError(await projection.forward(states), tensor(expected, 'output'));
  t.ok(error <= 1e-5, String(error));

  using loaded = await TextProjection.load(folder);
  t.same(
    (await loaded.forward(states)).data(),
    (await projection.forward(states)).data(),
    'saved and loaded it is the same',
  );
  t.same(loaded.weightFiles, [join(folder, 'model.safetensors')]);
  t.match(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')), {
    _class_name: 'TextProjection',
    in_features: 24,
    hidden_size: 40,
    out_features: 32,
  });
});

t.test('a linear one has one layer', async (t) => {
  using projection = await TextProjection.create({ ...widths, type: 'linear', seed: 3 });
  t.match(projection, { inFeatures: 24, outFeatures: 32, device: 'cpu', dtype: 'float32' });
  const states = await Tensor.randn([2, 24]);
  t.same((await projection.forward(states)).shape, [2, 32]);
  const sum = await states.add(states);
  const zero = await projection.forward(Tensor.zeros([2, 24])); // the bias
  const doubled = await (await (await projection.forward(states)).mul(2)).sub(zero);
  t.ok((await relativeError(await projection.forward(sum), doubled)) < 1e-5);
  const folder = join(t.testdir(), 'linear');
  await projection.save(folder);
  using loaded = await TextProjection.load(folder, { dtype: 'bfloat16' });
  t.equal(loaded.dtype, 'bfloat16');
});

t.test('what does not fit is named', async (t) => {
  using projection = await TextProjection.create(widths);
  await t.rejects(projection.forward(Tensor.zeros([1, 23])), { code: 'ERR_SHAPE', message: /24/ });
  await t.rejects(projection.forward(Tensor.zeros([1, 24], { dtype: 'float64' })), {
    code: 'ERR_DTYPE',
  });
  const misuse: [object, string][] = [
    [{ inFeatures: 0 }, 'ERR_INVALID_ARG'],
    [{ type: 'deep' }, 'ERR_INVALID_ARG'],
    [{ width: 3 }, 'ERR_INVALID_ARG'],
    [{ activation: 'sine' }, 'ERR_CONFIG_INVALID'],
    [{ dtype: 'int64' }, 'ERR_DTYPE'],
    [{ device: 'cuda:63' }, 'ERR_DEVICE_UNAVAILABLE'],
  ];
  for (const [options, code] of misuse) {
    const all = { ...widths, ...options } as TextProjectionOptions;
    await t.rejects(TextProjection.create(all), { code }, JSON.stringify(options));
  }
  await t.rejects(TextProjection.load(t.testdir()), { code: 'ERR_MODEL_NOT_FOUND' });
  projection.dispose();
  t.ok(projection.disposed);
  await t.rejects(projection.forward(Tensor.zeros([1, 24])), { code: 'ERR_DISPOSED' });
  const folder = join(t.testdir(), 'disposed');
  await t.rejects(projection.save(folder), { code: 'ERR_DISPOSED' });
  t.notOk(existsSync(folder));
});
