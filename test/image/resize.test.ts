import t from 'tap';
import { Tensor } from '../../src/index.js';
import { committedCase, tensor } from '../support/golden.js';

t.test('resizing with antialiasing equals PIL', async (t) => {
  const golden = await committedCase('resize');
  const grey = tensor(golden, 'grey');
  const image = await grey.reshape([1, 1, ...grey.shape]);
  const names = Object.keys(golden.tensors).filter((name) => name !== 'grey');
  t.equal(names.length, 8);
  for (const name of names) {
    const [kernel, size = '', dtype] = name.split('.') as ['bilinear' | 'bicubic', string, string];
    const [height = 0, width = 0] = size.split('x').map(Number);
    const given = await image.to({ dtype: dtype as 'uint8' | 'float32' });
    const found = await given.resize([height, width], { kernel });
    t.same(found.shape, [1, 1, height, width]);
    t.equal(found.dtype, dtype);
    const expected = Array.from(tensor(golden, name).data(), Number);
    const actual = Array.from(found.data(), Number);
    const largest = Math.max(...actual.map((value, i) => Math.abs(value - (expected[i] ?? NaN))));
    t.ok(largest <= (dtype === 'uint8' ? 1 : 0.001), `${name}: ${largest} grey levels`);
    const aliased = await given.resize([height, width], { kernel, antialias: false });
    if (height < 61) t.not(String(aliased.data()), String(found.data()), 'antialiasing counts');
  }
});

t.test('misuse is named', async (t) => {
  const image = Tensor.ones([1, 1, 4, 4]);
  const wrong: [() => Promise<unknown>, string][] = [
    [() => Tensor.ones([4, 4]).resize([2, 2]), 'ERR_SHAPE'],
    [() => image.resize([0, 2]), 'ERR_SHAPE'],
    [() => image.resize([2] as never), 'ERR_SHAPE'],
    [() => image.resize([2, -1]), 'ERR_INVALID_ARG'],
    [() => image.resize('big' as never), 'ERR_INVALID_ARG'],
    [() => image.resize([2, 2], { kernel: 'lanczos' as never }), 'ERR_INVALID_ARG'],
    [() => image.resize([2, 2], { antialais: true } as never), 'ERR_INVALID_ARG'],
  ];
  for (const [call, code] of wrong) await t.rejects(call, { code });
  image.dispose();
  await t.rejects(() => image.resize([2, 2]), { code: 'ERR_DISPOSED' });
});
