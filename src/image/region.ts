import type { Sharp } from 'sharp';
import { Image, toSharp } from './image.js';

/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A part of an image, in pixels. */
export interface Region extends Size {
  readonly left: number;
  readonly top: number;
}

/** From a pixel to the one behind the last. */
type Span = readonly [start: number, end: number];

/**
 * The region of an image that has `box` and `padding` pixels around it, and the proportions of `size` as far as
 * the image goes: diffusers' VaeImageProcessor.get_crop_region.
 */
export function regionAround(box: Region, padding: number, image: Size, size: Size): Region {
  let across = padded(box.left, box.width, padding, image.width);
  let down = padded(box.top, box.height, padding, image.height);
  const wanted = size.width / size.height;
  if (lengthOf(across) / lengthOf(down) > wanted) {
    down = grown(down, lengthOf(across) / wanted, image.height);
  } else {
    across = grown(across, lengthOf(down) * wanted, image.width);
  }
  return { left: across[0], top: down[0], width: lengthOf(across), height: lengthOf(down) };
}

function lengthOf([start, end]: Span): number {
  return end - start;
}

function padded(start: number, length: number, padding: number, limit: number): Span {
  return [Math.max(start - padding, 0), Math.min(start + length + padding, limit)];
}

/** Longer to both sides, and moved back inside of the image where it would leave it. */
function grown(span: Span, wanted: number, limit: number): Span {
  const length = Math.floor(wanted);
  const start = span[0] - Math.floor((length - lengthOf(span)) / 2);
  const inside = Math.max(Math.min(start, limit - length), 0);
  return [inside, Math.min(inside + length, limit)];
}

/**
 * A region of an image at another size, its proportions kept: where they are not those of `size`, the pixels of
 * its edges are repeated outwards, as diffusers' `resize_mode="fill"` does.
 */
export async function cutRegion(image: Image, region: Region, size: Size): Promise<Image> {
  const { left, top, width, height } = region;
  const inner = sizeInside(region, size);
  const before = {
    left: Math.floor(size.width / 2) - Math.floor(inner.width / 2),
    top: Math.floor(size.height / 2) - Math.floor(inner.height / 2),
  };
  const pipeline = toSharp(image)
    .extract({ left, top, width, height })
    .resize(inner.width, inner.height, { fit: 'fill', kernel: 'lanczos3' })
    .extend({
      ...before,
      right: size.width - inner.width - before.left,
      bottom: size.height - inner.height - before.top,
      extendWith: 'copy',
    });
  return toImage(pipeline, image, size);
}

/** The largest size of these proportions inside of `limit`. */
function sizeInside({ width, height }: Size, limit: Size): Size {
  const isWider = limit.width * height < limit.height * width;
  return isWider
    ? { width: limit.width, height: Math.max(Math.floor((height * limit.width) / width), 1) }
    : { width: Math.max(Math.floor((width * limit.height) / height), 1), height: limit.height };
}

/** The opposite of {@link cutRegion}: an image in its region of a black one. */
export async function placeRegion(image: Image, region: Region, whole: Size): Promise<Image> {
  const { left, top, width, height } = region;
  const pipeline = toSharp(image)
    .resize(width, height, { fit: 'cover', position: 'centre', kernel: 'lanczos3' })
    .extend({
      left,
      top,
      right: whole.width - left - width,
      bottom: whole.height - top - height,
      background: { r: 0, g: 0, b: 0, alpha: 1 },
    });
  return toImage(pipeline, image, whole);
}

/** What a pipeline over `source` makes, with its channels and its depth. */
async function toImage(pipeline: Sharp, source: Image, { width, height }: Size): Promise<Image> {
  const wide = source.bitDepth === 16;
  const bytes = new Uint8Array(await pipeline.raw({ depth: wide ? 'ushort' : 'uchar' }).toBuffer());
  const data = wide ? new Uint16Array(bytes.buffer) : bytes;
  return new Image({ width, height, channels: source.channels, data });
}
