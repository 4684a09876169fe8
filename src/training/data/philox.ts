// Philox4x32-10, a generator without a state: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (2011).

/** Four numbers of 32 bits. */
export type Words = readonly [number, number, number, number];

const rounds = 10;
const multipliers = [0xd2511f53, 0xcd9e8d57] as const;
const keySteps = [0x9e3779b9, 0xbb67ae85] as const;

/** Four random words that follow from the seed (64 bits) and the counter (four words) alone. */
export function philox(seed: bigint, counter: Words): Words {
  let [low, high] = wordsOf(seed);
  let [a, b, c, d] = counter;
  for (let round = 0; round < rounds; ++round) {
    const first = multipliers[0];
    const second = multipliers[1];
    const next = [
      (highProduct(second, c) ^ b ^ low) >>> 0,
      Math.imul(second, c) >>> 0,
      (highProduct(first, a) ^ d ^ high) >>> 0,
      Math.imul(first, a) >>> 0,
    ] as const;
    [a, b, c, d] = next;
    low = (low + keySteps[0]) >>> 0;
    high = (high + keySteps[1]) >>> 0;
  }
  return [a, b, c, d];
}

/** The low and the high word of a number of 64 bits. */
export function wordsOf(value: bigint): readonly [number, number] {
  return [Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn)];
}

/** The upper 32 bits of a product: by halves, since a double holds 53 bits. */
function highProduct(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const carry = aHigh * bLow + ((aLow * bLow) >>> 16);
  const middle = aLow * bHigh + (carry % 0x10000);
  return aHigh * bHigh + Math.floor(carry / 0x10000) + Math.floor(middle / 0x10000);
}
