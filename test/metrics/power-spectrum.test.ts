import t from 'tap';
import { Image, metrics, Tensor } from '../../src/index.js';

const side = 64;

/** [1, 1, 64, 64]: a wave of so many periods along x. */
function wave(periods: number, height = side, amplitude = 1): Tensor {
  const data = Float64Array.from(
    { length: height * side },
    (_, i) => amplitude * Math.sin((2 * Math.PI * periods * (i % side)) / side),
  );
  return Tensor.from(data, { shape: [1, 1, height, side] });
}

/** The same by the definition: every frequency's sum over every pixel. */
function slowly(pixels: readonly number[], size: number): number[] {
  const hann = Array.from(
    { length: size },
    (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size),
  );
  const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const windows = pixels.map((_, i) => (hann[Math.floor(i / size)] ?? 0) * (hann[i % size] ?? 0));
  const scale = Math.sqrt(average(windows.map((value) => value ** 2)));
  const centre = average(pixels);
  const rings = Array.from({ length: size / 2 + 1 }, (): number[] => []);
  for (let v = 0; v < size; ++v) {
    for (let u = 0; u < size; ++u) {
      let [re, im] = [0, 0];
      pixels.forEach((value, i) => {
        const angle = (2 * Math.PI * (v * Math.floor(i / size) + u * (i % size))) / size;
        const weighted = ((value - centre) * (windows[i] ?? 0)) / scale;
        re += weighted * Math.cos(angle);
        im -= weighted * Math.sin(angle);
      });
      const [fy, fx] = [v, u].map((f) => Math.min(f, size - f)) as [number, number];
      rings[Math.round(Math.hypot(fy, fx))]?.push((re ** 2 + im ** 2) / size ** 2);
    }
  }
  return rings.map(average);
}

t.test('the figures are those of the definition', async (t) => {
  const size = 12;
  const pixels = Array.from({ length: size * size }, (_, i) => Math.sin(i * i) + 0.3 * Math.cos(i));
  const expected = slowly(pixels, size);
  const [actual] = await metrics.powerSpectrum(
    Tensor.from(Float64Array.from(pixels), { shape: [1, 1, size, size] }),
  );
  t.equal(actual?.length, 7);
  expected.forEach((value, ring) => {
    const error = Math.abs((actual?.[ring] ?? Number.NaN) - value) / value;
    t.ok(error < 1e-10, `ring ${ring}: ${error}`);
  });
});

t.test(
  'a wave lies at its frequency, whatever its brightness, and grows by the square',
  async (t) => {
    const [powers = []] = await metrics.powerSpectrum(wave(10));
    t.equal(powers.length, side / 2 + 1);
    t.equal(powers.indexOf(Math.max(...powers)), 10);
    using brighter = await wave(10).add(7);
    const [same = []] = await metrics.powerSpectrum(brighter);
    const [fourfold = []] = await metrics.powerSpectrum(wave(10, side, 2));
    t.ok(Math.abs((same[10] ?? 0) / (powers[10] ?? 1) - 1) < 1e-9);
    t.ok(Math.abs((fourfold[10] ?? 0) / (powers[10] ?? 1) - 4) < 1e-9);
    const [long = []] = await metrics.powerSpectrum(wave(10, 2 * side));
    t.equal(long.indexOf(Math.max(...long)), 10, 'rings are of the shorter side');
  },
);

t.test('images do', async (t) => {
  const pixels = Float32Array.from({ length: 256 }, (_, i) => (i % 2 ? 1 : 0));
  const image = Image.fromPixels(pixels, { width: 16, height: 16, channels: 1 });
  const spectra = await metrics.powerSpectrum([image, image]);
  t.equal(spectra.length, 2);
  t.equal(spectra[0]?.indexOf(Math.max(...(spectra[0] ?? []))), 8);
});

t.test('misuse is named', async (t) => {
  const wrong: [() => Promise<unknown>, string][] = [
    [() => metrics.powerSpectrum('x' as never), 'ERR_INVALID_ARG'],
    [() => metrics.powerSpectrum([]), 'ERR_INVALID_ARG'],
    [() => metrics.powerSpectrum(Tensor.ones([1, 1, 3, 8])), 'ERR_SHAPE'],
    [() => metrics.powerSpectrum(Tensor.ones([1, 8, 8])), 'ERR_SHAPE'],
    [() => metrics.powerSpectrum(Tensor.ones([1, 1, 8, 8], { dtype: 'uint8' })), 'ERR_DTYPE'],
    [() => metrics.powerSpectrum(Tensor.full([1, 1, 8, 8], Number.NaN)), 'ERR_NON_FINITE'],
    [() => metrics.powerSpectrum(wave(1), { signl: 1 } as never), 'ERR_INVALID_ARG'],
  ];
  for (const [call, code] of wrong) await t.rejects(call(), { code });
  const disposed = wave(1);
  disposed.dispose();
  await t.rejects(metrics.powerSpectrum(disposed), { code: 'ERR_DISPOSED' });
  const reason = new Error('stop');
  await t.rejects(metrics.powerSpectrum(wave(1), { signal: AbortSignal.abort(reason) }), reason);
});
