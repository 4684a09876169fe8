import { webcrypto } from 'node:crypto';
import { LatentrayError } from '../errors.js';
import { type FitOptions, toTensorData } from '../image/fit-images.js';
import type { Image } from '../image/image.js';
import { largestSample } from '../image/pixel-layout.js';
import { addon, runJob } from '../native/addon.js';
import { handleOf, Tensor } from '../tensor.js';

/** One image, several of one size, or pixels [N, 3, H, W] in [0, 1]. */
export type ImageInput = Image | readonly Image[] | Tensor;

/** How input images are read. */
export interface InputImageOptions {
  /** What the images are called in messages. */
  readonly name: string;
  /** The size that they are brought to. */
  readonly size?: FitOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** [N, 3, H, W] in [−1, 1], float32 on the CPU. */
export async function toPixels(input: ImageInput, options: InputImageOptions): Promise<Tensor> {
  if (!(input instanceof Tensor)) {
    const { data, shape } = await toTensorData([input].flat() as Image[], options.size);
    return Tensor.from(data, { shape });
  }
  checkTensor(input, [3], options);
  return fromUnitRange(input, options.signal);
}

/** [N, 3, H, W] in [0, 1], float32 on the CPU. */
export async function toUnitPixels(input: ImageInput, options: InputImageOptions): Promise<Tensor> {
  const pixels = await toPixels(input, options); // checks them
  if (input instanceof Tensor) return input.to({ device: 'cpu', dtype: 'float32' });
  return (await pixels.add(1)).div(2);
}

/** Where white is to be painted anew: [N, 1, H, W] in [0, 1], float32 on the CPU. */
export async function toMask(input: ImageInput, options: InputImageOptions): Promise<Tensor> {
  if (input instanceof Tensor) {
    checkTensor(input, [1], options);
    const range = await fromUnitRange(input, options.signal);
    return (await range.add(1)).div(2);
  }
  const { data, shape } = await toTensorData([input].flat() as Image[], options.size);
  const [count, , height, width] = shape;
  const plane = height * width;
  const grey = new Float32Array(count * plane);
  for (let i = 0; i < grey.length; ++i) {
    const start = Math.floor(i / plane) * 3 * plane + (i % plane);
    const channel = (n: number) => data[start + n * plane] as number;
    grey[i] = (0.299 * channel(0) + 0.587 * channel(1) + 0.114 * channel(2) + 1) / 2; // ITU-R 601
  }
  return Tensor.from(grey, { shape: [count, 1, height, width] });
}

/** The number of images. */
export function countOf(input: ImageInput): number {
  return input instanceof Tensor ? (input.shape[0] ?? 0) : [input].flat().length;
}

/** SHA-256 over the sizes and the samples: tells an image again, whatever file it lay in. */
export async function digestOf(input: ImageInput): Promise<string> {
  const parts =
    input instanceof Tensor
      ? [await tensorPart(input)]
      : ([input].flat() as Image[]).map(({ width, height, channels, data }) => ({
          head: `${width}×${height}×${channels}×${largestSample(data)}`,
          data: data as ArrayBufferView,
        }));
  const digests = await Promise.all(
    parts.map(async ({ head, data }) => `${head} ${await sha256(data)}`),
  );
  return `sha256:${await sha256(new TextEncoder().encode(digests.join('\n')))}`;
}

async function tensorPart(tensor: Tensor): Promise<{ head: string; data: ArrayBufferView }> {
  const { shape } = tensor;
  const values = await tensor.to({ device: 'cpu', dtype: 'float32' });
  return { head: `tensor ${shape.join('×')}`, data: values.data() };
}

/** In hexadecimal; computed off the event loop. */
export async function sha256({ buffer, byteOffset, byteLength }: ArrayBufferView): Promise<string> {
  const own = new Uint8Array(buffer, byteOffset, byteLength).slice(); // digest() refuses shared memory
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', own)).toString('hex');
}

function checkTensor(
  { shape }: Tensor,
  channels: readonly number[],
  { name, size }: InputImageOptions,
): void {
  if (size) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `size: expected with Images only; ${name} is a tensor, which is taken as it is`,
    );
  }
  const fits = shape.length === 4 && channels.includes(shape[1] ?? 0) && !shape.includes(0);
  if (fits) return;
  throw new LatentrayError(
    'ERR_SHAPE',
    `${name}: expected a tensor [N, ${channels.join(' or ')}, H, W], received [${shape}]`,
    { actualShape: shape },
  );
}

async function fromUnitRange(tensor: Tensor, signal: AbortSignal | undefined): Promise<Tensor> {
  return new Tensor(
    await runJob(signal, (token) => addon().pixelsFromUnitRange(handleOf(tensor), token)),
  );
}
