import { invalidArgument, LatentrayError } from '../errors.js';
import type { Image } from '../image/image.js';
import type { SafetyChecker } from '../models/safety-checker.js';
import { addon, runJob } from '../native/addon.js';
import { handleOf, Tensor } from '../tensor.js';
import { bytesToImages } from './images.js';

/**
 * Says of each image whether it must not be shown. What is flagged is replaced by black, and the result says
 * which images were.
 */
export type SafetyCheck = (
  images: readonly Image[],
  options: { readonly signal: AbortSignal | undefined },
) => readonly boolean[] | Promise<readonly boolean[]>;

/** Decoded pixels [N, 3, H, W] in [−1, 1], with what was flagged black. */
export interface CheckedPixels {
  readonly pixels: Tensor;
  readonly flagged: readonly boolean[];
}

/** Asks the checker, and blackens what it flags. */
export async function checkSafety(
  checker: SafetyCheck | SafetyChecker,
  pixels: Tensor,
  signal: AbortSignal | undefined,
): Promise<CheckedPixels> {
  using bytes = new Tensor(
    await runJob(signal, (token) => addon().pixelsToBytes(handleOf(pixels), token)),
  );
  const images = bytesToImages(bytes);
  const flagged =
    typeof checker === 'function'
      ? await checker(images, { signal })
      : await checker.check(images, { signal });
  checkFlags(flagged, images.length);
  signal?.throwIfAborted();
  if (!flagged.includes(true)) return { pixels, flagged };
  const kept = Float32Array.from(flagged, (flag) => (flag ? 0 : 1));
  const [device, dtype] = [pixels.device, pixels.dtype];
  const mask = await Tensor.from(kept, { shape: [kept.length, 1, 1, 1] }).to({ device, dtype });
  const black = await mask.sub(1); // −1 where flagged
  return { pixels: await (await pixels.mul(mask)).add(black), flagged };
}

function checkFlags(flagged: unknown, count: number): asserts flagged is boolean[] {
  if (!Array.isArray(flagged) || !flagged.every((flag) => typeof flag === 'boolean')) {
    throw invalidArgument('safetyChecker()', 'to give an array of booleans', flagged);
  }
  if (flagged.length === count) return;
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `safetyChecker(): expected to give ${count} booleans, one an image, received ${flagged.length}`,
  );
}
