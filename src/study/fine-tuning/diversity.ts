import { type Image, metrics } from '../../index.js';
import { mean } from '../statistics.js';

/** Pairs that are compared at a time. */
const pairsAtOnce = 16;
/** Most pairs of a prompt. */
const mostPairs = 240;

/** How alike images of one prompt are: 1 where all are the same image. */
export async function meanPairwiseSsim(
  images: readonly Image[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const pairs = pairsOf(images.length);
  const values: number[] = [];
  for (let start = 0; start < pairs.length; start += pairsAtOnce) {
    const some = pairs.slice(start, start + pairsAtOnce);
    const left = some.map(([a]) => images[a] as Image);
    const right = some.map(([, b]) => images[b] as Image);
    values.push(...(await metrics.ssim(left, right, { signal })));
  }
  return mean(values);
}

/** Every pair; where these are too many, evenly chosen ones. */
function pairsOf(count: number): [number, number][] {
  const all: [number, number][] = [];
  for (let a = 0; a < count; ++a) for (let b = a + 1; b < count; ++b) all.push([a, b]);
  const stride = Math.ceil(all.length / mostPairs);
  return all.filter((_, index) => index % stride === 0);
}
