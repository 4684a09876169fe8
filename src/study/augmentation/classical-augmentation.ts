import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isFile } from '../../data/files.js';
import { hashFraction } from '../../data/record.js';
import { Image, toSharp } from '../../image/image.js';
import { makeFolder } from '../../models/save-model.js';
import type { LabelledImage } from './classifier-trainer.js';

const mostDegrees = 7;
const mostZoom = 0.1;
const mostContrast = 0.15;

/** @internal What is done to a copy. Nothing is mirrored: a mirrored heart is another diagnosis. */
export interface ClassicalChange {
  readonly degrees: number;
  /** From 1 on; the border of a turned image stays outside as far as it goes. */
  readonly zoom: number;
  /** Of the room that turning and zooming leave, −1 … 1. */
  readonly shift: readonly [x: number, y: number];
  readonly contrast: number;
  readonly brightness: number;
}

/** @internal The change that follows from an image's name and the copy's number. */
export function changeOf(id: string, copy: number): ClassicalChange {
  const draw = (what: string) => 2 * hashFraction(what, copy, id) - 1;
  return {
    degrees: mostDegrees * draw('degrees'),
    zoom: 1 + (mostZoom * (draw('zoom') + 1)) / 2,
    shift: [draw('x'), draw('y')],
    contrast: 1 + mostContrast * draw('contrast'),
    brightness: mostContrast * draw('brightness'),
  };
}

/**
 * @internal `count` changed copies, as files that are made once: each image has its first copy before one has its
 * second.
 */
export async function classicalCopies(
  images: readonly LabelledImage[],
  count: number,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<LabelledImage[]> {
  await makeFolder(folder);
  const copies: LabelledImage[] = [];
  for (let n = 0; n < count; ++n) {
    signal?.throwIfAborted();
    const source = images[n % images.length] as LabelledImage;
    const copy = Math.floor(n / images.length);
    const id = `${source.id}-${copy}`;
    const name = createHash('sha256').update(id).digest('hex').slice(0, 24);
    const path = join(folder, `${name}.png`);
    if (!(await isFile(path))) {
      const { image } = source;
      const read = image instanceof Image ? image : await Image.read(image, { signal });
      await (await changed(read, changeOf(source.id, copy))).save(path);
    }
    copies.push({ ...source, id, image: path });
  }
  return copies;
}

/** @internal An image of the same size that was turned, zoomed, moved, and made brighter or darker. */
export async function changed(image: Image, change: ClassicalChange): Promise<Image> {
  const { width, height, channels } = image;
  const depth = image.bitDepth === 16 ? 'ushort' : 'uchar';
  const white = image.bitDepth === 16 ? 65535 : 255;
  const { data: turned, info } = await toSharp(image)
    .rotate(change.degrees, { background: { r: 0, g: 0, b: 0, alpha: 1 } })
    .raw({ depth })
    .toBuffer({ resolveWithObject: true });
  const canvas = toSharp({
    width: info.width,
    height: info.height,
    channels,
    data: samplesOf(turned, depth),
  });
  const size = [info.width, info.height].map((side) => Math.round(side * change.zoom));
  const [wide, high] = size as [number, number];
  const place = (room: number, shift: number) => Math.round((room / 2) * (1 + shift));
  const middle = (white / 2) * (1 - change.contrast) + white * change.brightness;
  const data = await canvas
    .resize(wide, high, { fit: 'fill', kernel: 'lanczos3' })
    .extract({
      left: place(wide - width, change.shift[0]),
      top: place(high - height, change.shift[1]),
      width,
      height,
    })
    .linear(change.contrast, middle)
    .raw({ depth })
    .toBuffer();
  return new Image({ width, height, channels, data: samplesOf(data, depth) });
}

function samplesOf(bytes: Buffer, depth: 'uchar' | 'ushort'): Uint8Array | Uint16Array {
  const own = new Uint8Array(bytes);
  return depth === 'ushort' ? new Uint16Array(own.buffer) : own;
}
