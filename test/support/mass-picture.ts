import { Image } from '../../src/index.js';

/** 16 × 16 grey noise that follows from the number, and for a mass a brighter quarter. */
export function massPicture(n: number, mass: boolean, contrast = 0.3): Image {
  let state = 12345 + n;
  const pixels = Float32Array.from({ length: 256 }, (_, at) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    const inside = at % 16 < 8 && at < 128;
    return 0.2 + (0.4 * state) / 2 ** 32 + (mass && inside ? contrast : 0);
  });
  return Image.fromPixels(pixels, { width: 16, height: 16, channels: 1 });
}
