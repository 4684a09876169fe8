// The inverse DCT in whole numbers as the Independent JPEG Group's accurate integer method rounds it (Loeffler, Ligtenberg and
// Moschytz; 13 fractional bits, one bit kept between the passes), so that decoders agree to the last bit. Here it is written out as
// products with the sums of its constants, which gives the same whole numbers.

const fractionBits = 13;
const keptBits = 1;
const half = 2 ** fractionBits;

/** 8×8 coefficients, times the quantisation, become 8×8 values around 0. */
export function inverseDct(block: Int32Array): void {
  for (let x = 0; x < 8; ++x) transform(block, x, 8, fractionBits - keptBits);
  for (let y = 0; y < 8; ++y) transform(block, 8 * y, 1, fractionBits + keptBits + 3);
}

/** Eight values, `step` apart, divided by 2^bits in the end. */
function transform(block: Int32Array, start: number, step: number, bits: number): void {
  const at = (i: number) => block[start + i * step] as number;
  const [c0, c1, c2, c3] = [at(0), at(1), at(2), at(3)];
  const [c4, c5, c6, c7] = [at(4), at(5), at(6), at(7)];
  const sum = (c0 + c4) * half;
  const difference = (c0 - c4) * half;
  const outer = c2 * 10703 + c6 * 4433;
  const inner = c2 * 4433 - c6 * 10704;
  const even = [sum + outer, difference + inner, difference - inner, sum - outer] as const;
  const odd = [
    c1 * 11363 + c3 * 9633 + c5 * 6437 + c7 * 2260,
    c1 * 9633 - c3 * 2259 - c5 * 11362 - c7 * 6436,
    c1 * 6437 - c3 * 11362 + c5 * 2261 + c7 * 9633,
    c1 * 2260 - c3 * 6436 + c5 * 9633 - c7 * 11363,
  ] as const;
  const scale = 2 ** bits;
  for (let i = 0; i < 4; ++i) {
    const [e, o] = [even[i] as number, odd[i] as number];
    block[start + i * step] = Math.floor((e + o) / scale + 0.5);
    block[start + (7 - i) * step] = Math.floor((e - o) / scale + 0.5);
  }
}
