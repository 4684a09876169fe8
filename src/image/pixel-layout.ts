// Between images (H×W×C, whole numbers) and what the models take and give (N×C×H×W, float32 in [−1, 1]).
// Rounding is that of diffusers' VaeImageProcessor: float32 arithmetic, then numpy's round (half to even).

import { invalidArgument, LatentrayError } from '../errors.js';

/** Pixels as they lie in a file: 8 bits or 16 bits a sample. */
export type PixelData = Uint8Array | Uint16Array;

/** Pixels and what is needed to read them. `data` is H×W×C. */
export interface PixelImage {
  readonly width: number;
  readonly height: number;
  /** 1 grey, 3 RGB, 4 RGB with opacity. */
  readonly channels: 1 | 3 | 4;
  readonly data: PixelData;
}

/** What `Tensor.from` takes. */
export interface TensorData {
  readonly data: Float32Array;
  /** [N, C, H, W] */
  readonly shape: readonly [number, number, number, number];
}

/** The number that white is. */
export function largestSample(data: PixelData): 255 | 65535 {
  return data instanceof Uint16Array ? 65535 : 255;
}

/** H×W×C in [0, 1]. */
export function toUnitPixels({ data }: PixelImage): Float32Array {
  const white = largestSample(data);
  return Float32Array.from(data, (sample) => sample / white);
}

/**
 * H×W×C in [0, 1] to whole numbers; what lies outside is cut to the range.
 *
 * @throws LatentrayError `ERR_NON_FINITE` for NaN.
 */
export function fromUnitPixels(pixels: Float32Array, bitDepth: 8 | 16): PixelData {
  const white = bitDepth === 16 ? 65535 : 255;
  const data = bitDepth === 16 ? new Uint16Array(pixels.length) : new Uint8Array(pixels.length);
  for (let i = 0; i < pixels.length; ++i) data[i] = quantise(pixels[i] as number, white);
  return data;
}

/**
 * Images of one size as a batch for the autoencoder: grey becomes three equal channels, black −1, white 1.
 *
 * @returns [N, 3, H, W]
 * @throws LatentrayError `ERR_INVALID_ARG` when sizes differ or an image is partly transparent.
 */
export function imagesToTensorData(images: readonly PixelImage[]): TensorData {
  const [first] = images;
  if (!first) throw invalidArgument('images', 'at least one image', 'none');
  const { width, height } = first;
  const plane = width * height;
  const data = new Float32Array(images.length * 3 * plane);
  for (const [index, image] of images.entries()) {
    if (image.width !== width || image.height !== height) {
      throw invalidArgument(
        `images[${index}]`,
        `${width}×${height} pixels, as images[0]`,
        `${image.width}×${image.height}`,
      );
    }
    checkOpaque(image, `images[${index}]`);
    const white = largestSample(image.data);
    for (let channel = 0; channel < 3; ++channel) {
      const start = (index * 3 + channel) * plane;
      const source = image.channels === 1 ? 0 : channel;
      for (let i = 0; i < plane; ++i) {
        const sample = image.data[i * image.channels + source] as number;
        data[start + i] = Math.fround(sample / white) * 2 - 1;
      }
    }
  }
  return { data, shape: [images.length, 3, height, width] };
}

/**
 * A batch as the autoencoder gives it back to images: −1 becomes black, 1 white, what lies outside is cut.
 *
 * @param tensor - [N, 1 or 3, H, W]
 * @param options - `grey` gives one channel, the mean of the three; `bitDepth` is 8 unless it is said.
 * @throws LatentrayError `ERR_SHAPE`; `ERR_NON_FINITE` for NaN, which float16 autoencoders give when they
 *   overflow.
 */
export function tensorDataToImages(
  { data, shape }: { data: Float32Array; shape: readonly number[] },
  { grey = false, bitDepth = 8 }: { grey?: boolean; bitDepth?: 8 | 16 } = {},
): PixelImage[] {
  const [count, channels, height, width] = shape as TensorData['shape'];
  const plane = height * width;
  if (shape.length !== 4 || (channels !== 1 && channels !== 3)) {
    throw shapeError('[N, 1 or 3, H, W]', shape);
  }
  if (data.length !== count * channels * plane) {
    throw shapeError(`${count * channels * plane} values`, [data.length]);
  }
  const kept = grey ? 1 : channels;
  return Array.from({ length: count }, (_, index) => {
    const pixels = new Float32Array(plane * kept);
    for (let i = 0; i < plane; ++i) {
      for (let channel = 0; channel < kept; ++channel) {
        const at = (c: number) => data[(index * channels + c) * plane + i] as number;
        const value = kept === channels ? at(channel) : (at(0) + at(1) + at(2)) / 3;
        pixels[i * kept + channel] = Math.fround(value * 0.5) + 0.5;
      }
    }
    return { width, height, channels: kept, data: fromUnitPixels(pixels, bitDepth) };
  });
}

function quantise(value: number, white: 255 | 65535): number {
  if (Number.isNaN(value)) {
    throw new LatentrayError(
      'ERR_NON_FINITE',
      'an image has pixels that are not numbers (NaN); a float16 autoencoder overflows: decode in float32 or bfloat16',
    );
  }
  const scaled = Math.fround(Math.min(Math.max(value, 0), 1) * white);
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function checkOpaque({ channels, data }: PixelImage, name: string): void {
  if (channels !== 4) return;
  const opaque = largestSample(data);
  for (let i = 3; i < data.length; i += 4) {
    if (data[i] !== opaque) {
      throw invalidArgument(
        name,
        'an image without transparent parts',
        'one with transparent parts',
      );
    }
  }
}

function shapeError(expected: string, actual: readonly number[]): LatentrayError {
  return new LatentrayError('ERR_SHAPE', `pixels: expected ${expected}, found [${actual}]`, {
    expectedShape: expected,
    actualShape: actual,
  });
}
