import t from 'tap';
import { fitImage, toTensorData } from '../../src/image/fit-images.js';
import { Image } from '../../src/image/image.js';
import {
  fromUnitPixels,
  imagesToTensorData,
  type PixelImage,
  tensorDataToImages,
} from '../../src/image/pixel-layout.js';

const image = (width: number, height: number, channels: 1 | 3 | 4, fill = 0) =>
  new Image({
    width,
    height,
    channels,
    data: new Uint8Array(width * height * channels).fill(fill),
  });

t.test('black is −1, white is 1, grey becomes three channels', async (t) => {
  const grey: PixelImage = { width: 2, height: 1, channels: 1, data: Uint8Array.from([0, 255]) };
  const colour: PixelImage = {
    width: 2,
    height: 1,
    channels: 3,
    data: Uint8Array.from([255, 0, 51, 0, 255, 204]),
  };
  const { data, shape } = imagesToTensorData([grey, colour]);
  t.strictSame(shape, [2, 3, 1, 2]);
  t.strictSame(
    data,
    Float32Array.from([-1, 1, -1, 1, -1, 1, 1, -1, -1, 1, 0.2 * 2 - 1, 0.8 * 2 - 1]),
  );
  const deep: PixelImage = { width: 1, height: 1, channels: 1, data: Uint16Array.from([65535]) };
  t.strictSame(imagesToTensorData([deep]).data, Float32Array.from([1, 1, 1]));
});

t.test('every sample survives the way there and back', async (t) => {
  for (const bitDepth of [8, 16] as const) {
    const side = bitDepth === 8 ? 16 : 256;
    const every = Array.from({ length: side * side }, (_, i) => i);
    const data = bitDepth === 8 ? Uint8Array.from(every) : Uint16Array.from(every);
    const grey: PixelImage = { width: side, height: side, channels: 1, data };
    const [back] = tensorDataToImages(imagesToTensorData([grey]), { grey: true, bitDepth });
    t.strictSame(back, grey);
  }
});

t.test('rounding is half to even in float32, outside is cut', async (t) => {
  // numpy: (np.float32([...]) * 255).round(): 0.5, 1.5 and 2.5 become 0, 2 and 2.
  const halves = Float32Array.from([0.5 / 255, 1.5 / 255, 2.5 / 255, -1, 2, Infinity, -Infinity]);
  t.strictSame(fromUnitPixels(halves, 8), Uint8Array.from([0, 2, 2, 0, 255, 255, 0]));
  const [made] = tensorDataToImages({
    data: Float32Array.from([-3, -1, 0, 1, 3]),
    shape: [1, 1, 1, 5],
  });
  t.strictSame(made?.data, Uint8Array.from([0, 0, 128, 255, 255]));
});

t.test('NCHW is taken apart into images', async (t) => {
  const data = Float32Array.from({ length: 24 }, (_, i) => (i / 255) * 2 - 1);
  const images = tensorDataToImages({ data, shape: [2, 3, 2, 2] });
  t.strictSame(images[0]?.data, Uint8Array.from([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]));
  t.equal(images[1]?.data[0], 12);
  t.strictSame(
    tensorDataToImages({ data, shape: [2, 3, 2, 2] }, { grey: true })[0]?.data,
    Uint8Array.from([4, 5, 6, 7]),
  );
});

t.test('NaN and impossible shapes are errors', async (t) => {
  const data = Float32Array.from([0, Number.NaN, 0]);
  t.throws(() => tensorDataToImages({ data, shape: [1, 3, 1, 1] }), { code: 'ERR_NON_FINITE' });
  for (const shape of [
    [1, 2, 1, 1],
    [3, 1, 1],
    [2, 3, 1, 1],
  ]) {
    t.throws(() => tensorDataToImages({ data, shape }), { code: 'ERR_SHAPE' });
  }
});

t.test('sizes that differ are an error that names them', async (t) => {
  t.throws(() => imagesToTensorData([]), { code: 'ERR_INVALID_ARG' });
  t.throws(() => imagesToTensorData([image(4, 4, 1), image(4, 5, 1)]), {
    code: 'ERR_INVALID_ARG',
    message: "images[1]: expected 4×4 pixels, as images[0], received '4×5'",
  });
  await t.rejects(toTensorData([image(4, 4, 1)], { width: 8, height: 8 }), {
    code: 'ERR_INVALID_ARG',
    message: /expected 8×8 pixels, or fit: 'letterbox'/,
  });
  for (const options of [
    { width: 0, height: 4 },
    { width: 4, height: 0.5 },
    { width: 8, height: 8, fit: 'crop' },
  ]) {
    await t.rejects(fitImage(image(4, 4, 1), options as never), { code: 'ERR_INVALID_ARG' });
  }
});

t.test('transparent parts are an error, an opaque fourth channel is left out', async (t) => {
  t.equal(imagesToTensorData([image(2, 2, 4, 255)]).data.length, 12);
  t.throws(() => imagesToTensorData([image(2, 2, 4, 254)]), { code: 'ERR_INVALID_ARG' });
});

t.test('letterbox, centre crop and stretch do what they say', async (t) => {
  // Left half black, right half white, twice as wide as high.
  const data = Uint8Array.from({ length: 8 * 4 }, (_, i) => (i % 8 < 4 ? 0 : 255));
  const wide = new Image({ width: 8, height: 4, channels: 1, data });
  const fit = async (name: 'letterbox' | 'centre-crop' | 'stretch', size = 4) =>
    (await fitImage(wide, { width: size, height: size, fit: name })).data;
  const boxed = await fit('letterbox', 8);
  t.ok(
    boxed.subarray(0, 16).every((sample) => sample === 0),
    'a bar above',
  );
  t.strictSame(boxed.subarray(16, 48), data);
  t.ok(
    boxed.subarray(48).every((sample) => sample === 0),
    'a bar below',
  );
  const cropped = await fit('centre-crop');
  t.strictSame([...cropped.subarray(0, 4)], [0, 0, 255, 255]);
  const stretched = await fit('stretch');
  t.ok((stretched[0] as number) < 20 && (stretched[3] as number) > 235);
  t.equal(await fitImage(wide, { width: 8, height: 4 }), wide, 'nothing to do');
  t.strictSame(
    (await toTensorData([wide], { width: 4, height: 4, fit: 'stretch' })).shape,
    [1, 3, 4, 4],
  );
  t.strictSame((await toTensorData([wide])).shape, [1, 3, 4, 8]);
});

t.test('16 bits and channels stay', async (t) => {
  for (const channels of [1, 3, 4] as const) {
    const data = new Uint16Array(64 * channels).fill(40000);
    if (channels === 4) for (let i = 3; i < data.length; i += 4) data[i] = 65535;
    const deep = new Image({ width: 8, height: 8, channels, data });
    const small = await fitImage(deep, { width: 4, height: 4, fit: 'stretch' });
    t.match(small, { bitDepth: 16, channels });
    t.ok(small.data.every((sample) => sample === 40000 || sample === 65535));
  }
});
