import { philox, wordsOf } from './philox.js';
import { purposes } from './purposes.js';

/**
 * How images of another size become training images: `'letterbox'` keeps all of an image between black bars,
 * `'center-crop'` and `'random-crop'` fill the size with the shorter side and cut what overhangs.
 */
export type Resize = 'letterbox' | 'center-crop' | 'random-crop';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Where an image's pixels go. */
export interface Placement {
  readonly resize: Resize;
  readonly target: Size;
  /** Of what overhangs, in [0, 1): how much is cut from the left and from the top. */
  readonly cut: readonly [number, number];
  readonly mirrored: boolean;
}

/** What placements follow from. */
export interface PlacementOptions {
  readonly resize: Resize;
  readonly target: Size;
  readonly horizontalFlip: boolean;
  readonly seed: bigint;
}

/** The placement of one sample in one step: it follows from these and the seed, so nothing has to be kept. */
export function placementOf(
  { resize, target, horizontalFlip, seed }: PlacementOptions,
  step: number,
  sampleNumber: number,
): Placement {
  const [low, high] = wordsOf(BigInt(sampleNumber));
  const [x, y, side] = philox(seed, [step, low, high, purposes.placement]);
  const cut = [x / 2 ** 32, y / 2 ** 32] as const;
  return { resize, target, cut, mirrored: horizontalFlip && side % 2 === 1 };
}

/** The size of an image whose shorter side fills the target. */
export function filling(image: Size, target: Size): Size {
  const scale = Math.max(target.width / image.width, target.height / image.height);
  return {
    width: Math.max(target.width, Math.round(image.width * scale)),
    height: Math.max(target.height, Math.round(image.height * scale)),
  };
}
