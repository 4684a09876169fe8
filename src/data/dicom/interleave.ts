/** All of a colour first, then all of the next, to the three of a pixel beside each other. */
export function interleave<Values extends Float32Array | Uint8Array | Uint16Array | Int16Array>(
  planes: Values,
): Values {
  const plane = planes.length / 3;
  const pixels = planes.slice() as Values;
  for (let i = 0; i < pixels.length; ++i) {
    pixels[i] = planes[(i % 3) * plane + Math.floor(i / 3)] as number;
  }
  return pixels;
}
