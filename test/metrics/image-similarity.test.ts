import t, { type Test } from 'tap';
import { loadTensors, metrics, Tensor } from '../../src/index.js';
import { goldenPath, tensor, withoutGolden } from '../support/golden.js';

t.test('the figures are the references’, border by border', { skip: withoutGolden }, async (t) => {
  const pair = await loadTensors(goldenPath('metrics/images.safetensors'));
  const [x, y] = [tensor(pair, 'x'), tensor(pair, 'y')];
  const cases: [string, number[]][] = [
    ['rmse', await metrics.rmse(x, y)],
    ['psnr', await metrics.psnr(x, y)],
    ['ssim_skimage_gaussian', await metrics.ssim(x, y)],
    ['ssim_skimage_gaussian', await metrics.ssim(x, y, { border: 'cropped' })],
    ['ssim_gaussian_11_1p5', await metrics.ssim(x, y, { border: 'reflected' })],
    ['ms_ssim', await metrics.msSsim(x, y)],
    ['ms_ssim', await metrics.msSsim(x, y, { border: 'reflected' })],
  ];
  for (const [name, actual] of cases)
    closeTo(t, actual, JSON.parse(pair.metadata[name] ?? ''), name);
});

/** [1, 3, H, W] of waves, in float64, as native/tests/image_similarity_test.cpp has it. */
function wave(height: number, width: number, frequency: number): Tensor {
  const data = new Float64Array(3 * height * width);
  for (let i = 0; i < data.length; ++i) {
    const [c, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
    data[i] = 0.5 + 0.4 * Math.sin(frequency * x + 0.05 * y + c) * Math.cos(0.03 * y);
  }
  return Tensor.from(data, { shape: [1, 3, height, width] });
}

t.test('the border changes the figure as NumPy computes it in float64', async (t) => {
  const [a, b] = [wave(180, 165, 0.1), wave(180, 165, 0.11)];
  const dataRange = 2;
  closeTo(t, await metrics.ssim(a, b), [0.6778018876642824], 'ssim');
  closeTo(t, await metrics.ssim(a, b, { dataRange }), [0.8062499416093221], 'of range 2');
  const reflected = await metrics.ssim(a, b, { dataRange, border: 'reflected' });
  closeTo(t, reflected, [0.8022504568145618], 'reflected');
  const cropped = await metrics.msSsim(a, b, { dataRange, border: 'cropped' });
  closeTo(t, cropped, [0.7121721012010489], 'msSsim, cropped');
  await t.rejects(metrics.msSsim(a, b, { border: 'reflected' }), { code: 'ERR_SHAPE' });
});

t.test('misuse is named', async (t) => {
  const a = Tensor.ones([1, 1, 16, 16]);
  const wrong: [Promise<unknown>, string, RegExp][] = [
    [metrics.ssim(a, a, { border: 'mirror' as never }), 'ERR_INVALID_ARG', /border/],
    [metrics.ssim(a, a, { boder: 'cropped' } as never), 'ERR_INVALID_ARG', /boder/],
    [metrics.psnr(a, a, { border: 'cropped' } as never), 'ERR_INVALID_ARG', /border/],
    [metrics.rmse(a, a, { dataRange: 0 }), 'ERR_INVALID_ARG', /dataRange/],
    [metrics.rmse(a, a, { dataRange: Number.NaN }), 'ERR_INVALID_ARG', /dataRange/],
    [metrics.rmse(a, 'b' as never), 'ERR_INVALID_ARG', /b: expected images/],
    [metrics.rmse(a, Tensor.ones([1, 1, 16, 15])), 'ERR_SHAPE', /15/],
    [metrics.rmse(a, Tensor.full([1, 1, 16, 16], Number.NaN)), 'ERR_NON_FINITE', /NaN/],
    [metrics.ssim(Tensor.ones([1, 1, 9, 9]), Tensor.ones([1, 1, 9, 9])), 'ERR_SHAPE', /window/],
  ];
  for (const [call, code, message] of wrong) await t.rejects(call, { code, message });
});

function closeTo(t: Test, actual: number[], expected: number[], name: string): void {
  t.equal(actual.length, expected.length, name);
  for (const [i, value] of expected.entries()) {
    const error = Math.abs((actual[i] ?? Number.NaN) - value) / Math.abs(value);
    t.ok(error <= 1e-6, `${name}[${i}]: ${error}`);
  }
}
