import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { Image, type Tensor } from '../../../src/index.js';

/** An image without symmetries, so that one that was turned or mirrored is another. */
export function picture(width: number, height: number, channels: 1 | 3 = 1, bitDepth: 8 | 16 = 8) {
  const pixels = Float32Array.from({ length: width * height * channels }, (_, i) => {
    const [x, y] = [Math.floor(i / channels) % width, Math.floor(i / channels / width)];
    return (0.7 * x) / width + (0.25 * y) / height + (0.05 * (i % channels)) / channels;
  });
  return Image.fromPixels(pixels, { width, height, channels, bitDepth });
}

/** A mask that is white in a rectangle. */
export function rectangle(
  [width, height]: [number, number],
  [left, top, right, bottom]: [number, number, number, number],
): Image {
  const data = Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return x >= left && x < right && y >= top && y < bottom ? 255 : 0;
  });
  return new Image({ width, height, channels: 1, data });
}

/** Writes metadata.jsonl: objects, or lines as they are. */
export function writeMetadata(folder: string, rows: readonly unknown[]): void {
  const lines = rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row)));
  writeFileSync(join(folder, 'metadata.jsonl'), `${lines.join('\n')}\n`);
}

/** A JPEG whose EXIF says how viewers turn it. */
export function photograph(image: Image, orientation: number): Promise<Buffer> {
  const { width, height, channels, data } = image;
  return sharp(data, { raw: { width, height, channels } })
    .withMetadata({ orientation })
    .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
    .toBuffer();
}

/** One channel of one image of a batch, by rows. */
export function plane(pixels: Tensor, n = 0, channel = 0): number[][] {
  const [, channels = 0, height = 0, width = 0] = pixels.shape;
  const data = pixels.data() as Float32Array;
  const start = (n * channels + channel) * height * width;
  return Array.from({ length: height }, (_, y) => [
    ...data.subarray(start + y * width, start + (y + 1) * width),
  ]);
}
