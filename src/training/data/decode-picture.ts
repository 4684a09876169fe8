import { readFile } from 'node:fs/promises';
import type { Sharp } from 'sharp';
import { naming, openDecoder, toSharp } from '../../image/image.js';
import { filling, type Placement, type Size } from './placement.js';
import type { Picture } from './training-sample.js';

/** An image's samples at the size that is trained on, H×W×C. */
export interface Samples {
  /** 16 bits come as float32, since tensors know no unsigned ones. */
  readonly data: Uint8Array | Float32Array;
  readonly channels: 1 | 3 | 4;
  /** The number that white is. */
  readonly white: 255 | 65535;
  /** The image's own size, turned as its EXIF says where that is applied. */
  readonly source: Size;
}

/** How a picture is decoded. */
export interface PictureOptions {
  readonly placement: Placement;
  /** Turn the image as its EXIF says. */
  readonly autoOrient: boolean;
  /** A mask is one channel, and is resampled without the overshoot that Lanczos' kernel has at edges. */
  readonly isMask: boolean;
}

/**
 * Decodes, turns, resizes and crops in one pass of libvips, which runs in libuv's pool.
 *
 * @throws LatentrayError `ERR_IMAGE_DECODE`
 */
export async function decodePicture(picture: Picture, options: PictureOptions): Promise<Samples> {
  const name = typeof picture === 'string' ? picture : options.isMask ? 'mask' : 'image';
  const opened = await open(picture, name, options);
  const placed = place(opened, options);
  const isWide = opened.bitDepth === 16;
  const job = placed.raw({ depth: isWide ? 'float' : 'uchar' });
  const { data, info } = await naming(name, job.toBuffer({ resolveWithObject: true }));
  const { buffer, byteOffset, byteLength } = data;
  return {
    data: isWide
      ? new Float32Array(buffer, byteOffset, byteLength / 4)
      : new Uint8Array(buffer, byteOffset, byteLength),
    channels: info.channels as Samples['channels'],
    white: isWide ? 65535 : 255,
    source: opened.size,
  };
}

interface Opened {
  readonly pipeline: Sharp;
  readonly bitDepth: 8 | 16;
  readonly size: Size;
}

async function open(
  picture: Picture,
  name: string,
  { autoOrient }: PictureOptions,
): Promise<Opened> {
  if (typeof picture !== 'string' && !(picture instanceof Uint8Array)) {
    return { pipeline: toSharp(picture), bitDepth: picture.bitDepth, size: picture };
  }
  // libvips remembers files by their path, and would not see that one has changed.
  const bytes = typeof picture === 'string' ? await naming(name, readFile(picture)) : picture;
  const { pipeline, bitDepth, metadata } = await openDecoder(bytes, name, { autoOrient });
  return { pipeline, bitDepth, size: autoOrient ? metadata.autoOrient : metadata };
}

function place({ pipeline, bitDepth, size }: Opened, { placement, isMask }: PictureOptions): Sharp {
  const { target, resize, mirrored } = placement;
  const kernel = isMask ? 'linear' : 'lanczos3';
  const own = isMask
    ? pipeline.removeAlpha().toColourspace(bitDepth === 16 ? 'grey16' : 'b-w')
    : pipeline;
  const turned = mirrored ? own.flop() : own;
  if (resize === 'random-crop') {
    const { width, height } = filling(size, target);
    const [left, top] = placement.cut;
    return turned.resize(width, height, { fit: 'fill', kernel }).extract({
      left: Math.floor(left * (width - target.width + 1)),
      top: Math.floor(top * (height - target.height + 1)),
      ...target,
    });
  }
  return turned.resize(target.width, target.height, {
    fit: resize === 'letterbox' ? 'contain' : 'cover',
    position: 'centre',
    kernel,
    background: { r: 0, g: 0, b: 0, alpha: 1 },
  });
}
