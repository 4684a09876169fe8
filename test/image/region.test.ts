import t from 'tap';
import { cutRegion, placeRegion, type Region, regionAround } from '../../src/image/region.js';
import { Image } from '../../src/index.js';

const box = (left: number, top: number, width: number, height: number): Region => {
  return { left, top, width, height };
};
const size = (width: number, height: number) => ({ width, height });

t.test(
  'a region has its padding and the proportions of the size, inside of the image',
  async (t) => {
    const whole = size(100, 80);
    const cases: [string, Region, number, { width: number; height: number }, Region][] = [
      ['square already', box(40, 30, 10, 10), 5, size(64, 64), box(35, 25, 20, 20)],
      ['wide: grows down and up', box(40, 30, 20, 10), 0, size(64, 64), box(40, 25, 20, 20)],
      ['tall: grows to both sides', box(40, 30, 10, 20), 0, size(64, 64), box(35, 30, 20, 20)],
      ['an odd pixel goes to the end', box(40, 30, 11, 10), 0, size(64, 64), box(40, 30, 11, 11)],
      ['moved away from the end', box(90, 30, 10, 30), 0, size(64, 64), box(70, 30, 30, 30)],
      ['moved away from the start', box(0, 30, 10, 30), 0, size(64, 64), box(0, 30, 30, 30)],
      ['padding ends at the image', box(0, 0, 10, 10), 30, size(64, 64), box(0, 0, 40, 40)],
      ['as far as the image goes', box(0, 20, 100, 10), 0, size(64, 64), box(0, 0, 100, 80)],
      ['to other proportions', box(40, 30, 10, 10), 0, size(128, 64), box(35, 30, 20, 10)],
      ['the whole', box(0, 0, 100, 80), 7, size(100, 80), box(0, 0, 100, 80)],
    ];
    for (const [name, white, padding, wanted, expected] of cases) {
      t.same(regionAround(white, padding, whole, wanted), expected, name);
    }
  },
);

const gradient = (width: number, height: number) =>
  new Image({
    ...size(width, height),
    channels: 1,
    data: Uint8Array.from({ length: width * height }, (_, i) => (i * 7) % 256),
  });

t.test(
  'a region at its own size is the pixels themselves, and goes back to its place',
  async (t) => {
    const image = gradient(12, 9);
    const region = box(3, 2, 4, 5);
    const cut = await cutRegion(image, region, region);
    const expected = Array.from({ length: 20 }, (_, i) => {
      return image.data[(2 + Math.floor(i / 4)) * 12 + 3 + (i % 4)];
    });
    t.same([...cut.data], expected);
    t.equal(cut.channels, 1);
    const placed = await placeRegion(cut, region, image);
    t.same([placed.width, placed.height, placed.channels], [12, 9, 1]);
    for (const [i, sample] of placed.data.entries()) {
      const [x, y] = [(i % 12) - 3, Math.floor(i / 12) - 2];
      const inside = x >= 0 && x < 4 && y >= 0 && y < 5;
      if (sample !== (inside ? expected[y * 4 + x] : 0)) t.fail(`sample ${i}`);
    }
  },
);

t.test('other proportions repeat the edges; depth and colours stay', async (t) => {
  const data = Uint16Array.from({ length: 4 * 2 * 3 }, (_, i) => i * 1000);
  const image = new Image({ ...size(4, 2), channels: 3, data });
  const cut = await cutRegion(image, box(0, 0, 4, 2), size(4, 5));
  t.equal(cut.bitDepth, 16);
  const rows = Array.from({ length: 5 }, (_, y) => [...cut.data.slice(y * 12, (y + 1) * 12)]);
  const [first, second] = [[...data.slice(0, 12)], [...data.slice(12)]];
  t.same(
    rows,
    [first, first, second, second, second].map((row, y) => (y === 1 ? first : row)),
  );
});
