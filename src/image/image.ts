import { randomBytes } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { z } from 'zod';
import { readDicom } from '../data/dicom/read-dicom.js';
import { invalidArgument, LatentrayError } from '../errors.js';
import type { JobOptions } from '../native/addon.js';
import { checkPath, jobOptions, parseOptions } from '../parse-options.js';
import { fromUnitPixels, type PixelData, type PixelImage, toUnitPixels } from './pixel-layout.js';
import { insertPngTexts } from './png-text.js';
import {
  checkProvenance,
  describeProvenance,
  type Provenance,
  provenanceFromXmp,
  provenanceToJson,
  provenanceToXmp,
} from './provenance.js';

/** The formats that images are written in. Each carries the provenance. */
export type ImageFormat = 'png' | 'jpeg' | 'webp';

/** What an {@link Image} is made of. */
export interface ImageInit extends PixelImage {
  /** Given for synthetic images, and then part of every file that is written. */
  readonly provenance?: Provenance;
}

/** How an image is written. */
export interface ImageWriteOptions {
  /**
   * 1 to 100, for JPEG and WebP.
   *
   * @default 95
   */
  readonly quality?: number;
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A path, a file: URL, or the bytes of an image file. */
export type ImageSource = string | URL | Uint8Array;

const formatOfExtension: Readonly<Record<string, ImageFormat>> = {
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.webp': 'webp',
};

/** sharp's options for each format; a `quality` for PNG would reduce the colours. */
const writing = {
  png: () => ({}),
  jpeg: (quality: number) => ({ quality, chromaSubsampling: '4:4:4' }),
  webp: (quality: number) => ({ quality }),
} as const satisfies Record<ImageFormat, (quality: number) => object>;

const writeOptions = z.strictObject({
  ...jobOptions.shape,
  quality: z.int().min(1).max(100).default(95),
});

/** A picture in memory: grey, RGB or RGB with opacity, 8 or 16 bits a sample. */
export class Image implements PixelImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  /** H×W×C; Uint8Array for 8 bits a sample, Uint16Array for 16. */
  readonly data: PixelData;
  /** Where the image comes from; undefined for an image that is not synthetic. */
  readonly provenance: Provenance | undefined;

  /** @throws LatentrayError `ERR_INVALID_ARG` when the data does not fit the size. */
  constructor({ width, height, channels, data, provenance }: ImageInit) {
    if (!Number.isInteger(width) || width < 1) throw invalidArgument('width', 'pixels', width);
    if (!Number.isInteger(height) || height < 1) throw invalidArgument('height', 'pixels', height);
    if (![1, 3, 4].includes(channels)) throw invalidArgument('channels', '1, 3 or 4', channels);
    if (!(data instanceof Uint8Array || data instanceof Uint16Array)) {
      throw invalidArgument('data', 'a Uint8Array or a Uint16Array', data);
    }
    const length = width * height * channels;
    if (data.length !== length) throw invalidArgument('data', `${length} samples`, data.length);
    this.width = width;
    this.height = height;
    this.channels = channels;
    this.data = data;
    this.provenance = provenance && checkProvenance(provenance);
  }

  /**
   * Reads PNG, JPEG, WebP, TIFF, GIF or AVIF as the pixels are stored: grey stays grey, 16 bits stay 16
   * bits, no colour profile is applied, and neither is the orientation that a camera noted in EXIF. A file
   * called .dcm is read by `readDicom` as it is displayed, with 16 bits.
   *
   * @throws LatentrayError `ERR_IMAGE_DECODE` for what is no image, has several pages, or has samples of
   *   other kinds than 8 and 16 bits.
   */
  static async read(source: ImageSource, options: JobOptions = {}): Promise<Image> {
    const { signal } = parseOptions(jobOptions, options, 'Image.read');
    signal?.throwIfAborted();
    const { input, name } = open(source);
    if (/\.dcm$/i.test(name)) {
      const { pixels, width, height, channels } = await readDicom(name, { signal });
      return Image.fromPixels(pixels, { width, height, channels, bitDepth: 16 });
    }
    const image = await decode(input, name);
    signal?.throwIfAborted();
    return image;
  }

  /**
   * @param pixels - H×W×C in [0, 1]; what lies outside is cut to the range.
   * @throws LatentrayError `ERR_INVALID_ARG` when the length does not fit; `ERR_NON_FINITE` for NaN.
   */
  static fromPixels(
    pixels: Float32Array,
    { bitDepth = 8, ...init }: Omit<ImageInit, 'data'> & { readonly bitDepth?: 8 | 16 },
  ): Image {
    return new Image({ ...init, data: fromUnitPixels(pixels, bitDepth) });
  }

  /** Bits a sample. */
  get bitDepth(): 8 | 16 {
    return this.data instanceof Uint16Array ? 16 : 8;
  }

  /** H×W×C in [0, 1], made anew at every access. */
  get pixels(): Float32Array {
    return toUnitPixels(this);
  }

  /**
   * The bytes of an image file. The provenance is in its XMP and EXIF, and in a PNG's text chunks.
   *
   * @throws LatentrayError `ERR_INVALID_ARG` for a format that cannot hold the image (16 bits: PNG only).
   */
  async toBuffer(format: ImageFormat, options?: ImageWriteOptions): Promise<Buffer> {
    const { quality, signal } = parseOptions(writeOptions, options, 'toBuffer');
    if (!Object.values(formatOfExtension).includes(format)) {
      throw invalidArgument('format', "'png', 'jpeg' or 'webp'", format);
    }
    if (this.bitDepth === 16 && format !== 'png') {
      throw invalidArgument('format', "'png', which holds 16 bits a sample", format);
    }
    if (this.channels === 4 && format === 'jpeg') {
      throw invalidArgument('format', "'png' or 'webp', which hold opacity", format);
    }
    signal?.throwIfAborted();
    const file = await this.#encode(format, quality);
    signal?.throwIfAborted();
    return file;
  }

  /**
   * Writes a file in the format that its name ends in (.png, .jpg, .jpeg, .webp). A reader never sees half
   * a file: the bytes go to a temporary file beside it, which then takes its name.
   *
   * @throws LatentrayError `ERR_INVALID_ARG` for another ending or a format that cannot hold the image;
   *   `ERR_WRITE` when the folder is missing or read-only, or the disk is full.
   */
  async save(path: string, options?: ImageWriteOptions): Promise<void> {
    checkPath(path);
    const format = formatOfExtension[extname(path).toLowerCase()];
    if (!format) {
      throw invalidArgument('path', `a name ending in ${Object.keys(formatOfExtension)}`, path);
    }
    const file = await this.toBuffer(format, options);
    const suffix = randomBytes(6).toString('hex');
    const temporary = join(dirname(path), `.${basename(path)}.${suffix}.tmp`);
    try {
      await writeFile(temporary, file);
      await rename(temporary, path);
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => {});
      throw writeError(path, cause);
    }
  }

  async #encode(format: ImageFormat, quality: number): Promise<Buffer> {
    const pipeline = toSharp(this).toFormat(format, writing[format](quality));
    const { provenance } = this;
    if (!provenance) return pipeline.toBuffer();
    const description = describeProvenance(provenance);
    const { software } = provenance;
    const file = await pipeline
      .withXmp(provenanceToXmp(provenance))
      .withExif({ IFD0: { ImageDescription: description, Software: software } })
      .toBuffer();
    if (format !== 'png') return file;
    return insertPngTexts(file, {
      Software: software,
      Disclaimer: description,
      Synthetic: 'true',
      latentray: provenanceToJson(provenance),
    });
  }
}

/**
 * Reads where a synthetic image comes from, out of a PNG, JPEG or WebP file.
 *
 * @returns undefined when the file says nothing.
 * @throws LatentrayError `ERR_IMAGE_DECODE` for what is no image, or a damaged provenance.
 */
export async function readProvenance(
  source: ImageSource,
  options: JobOptions = {},
): Promise<Provenance | undefined> {
  const { signal } = parseOptions(jobOptions, options, 'readProvenance');
  signal?.throwIfAborted();
  const { input, name } = open(source);
  const { xmp } = await naming(name, sharp(input).metadata());
  signal?.throwIfAborted();
  return xmp && provenanceFromXmp(xmp.toString('utf8'), name);
}

/** A sharp pipeline over an image's samples, in the image's own colour space and depth. */
export function toSharp({ width, height, channels, data }: PixelImage): Sharp {
  const wide = data instanceof Uint16Array;
  const space = channels === 1 ? (wide ? 'grey16' : 'b-w') : wide ? 'rgb16' : 'srgb';
  return sharp(data, { raw: { width, height, channels } }).toColourspace(space);
}

async function decode(input: string | Uint8Array, name: string): Promise<Image> {
  const { pipeline, bitDepth, metadata } = await openDecoder(input, name);
  const depth = bitDepth === 16 ? 'ushort' : 'uchar';
  const job = pipeline.raw({ depth }).toBuffer({ resolveWithObject: true });
  const { data, info } = await naming(name, job);
  const { xmp } = metadata;
  return new Image({
    width: info.width,
    height: info.height,
    channels: info.channels as 1 | 3 | 4,
    data: bitDepth === 16 ? new Uint16Array(new Uint8Array(data).buffer) : new Uint8Array(data),
    provenance: xmp && provenanceFromXmp(xmp.toString('utf8'), name),
  });
}

/** An image file that is about to be decoded. */
export interface Decoder {
  /** Gives the samples as they are stored. */
  readonly pipeline: Sharp;
  readonly bitDepth: 8 | 16;
  readonly metadata: Metadata;
}

/**
 * How an image file is decoded everywhere in this package.
 *
 * @param name - What messages call it.
 * @param autoOrient - Turns the image as its EXIF says.
 * @throws LatentrayError `ERR_IMAGE_DECODE`
 */
export async function openDecoder(
  input: string | Uint8Array,
  name: string,
  { autoOrient = false } = {},
): Promise<Decoder> {
  const metadata = await naming(name, sharp(input).metadata());
  const { depth, space, hasAlpha, pages = 1 } = metadata;
  if (pages > 1) throw decodeError(name, `has ${pages} pages; expected one`);
  if (depth !== 'uchar' && depth !== 'ushort') {
    throw decodeError(name, `has samples of kind '${depth}'; expected 8 or 16 bits`);
  }
  const wide = depth === 'ushort';
  const grey = (space === 'b-w' || space === 'grey16') && !hasAlpha;
  const pipeline = sharp(input, { ignoreIcc: true, autoOrient }).toColourspace(
    grey ? (wide ? 'grey16' : 'b-w') : wide ? 'rgb16' : 'srgb',
  );
  return { pipeline, bitDepth: wide ? 16 : 8, metadata };
}

function open(source: ImageSource): { input: string | Uint8Array; name: string } {
  if (source instanceof Uint8Array) return { input: source, name: 'image' };
  if (source instanceof URL) return { input: fileURLToPath(source), name: fileURLToPath(source) };
  if (typeof source !== 'string' || source === '') {
    throw invalidArgument('source', 'a path, a file: URL or bytes', source);
  }
  return { input: source, name: source };
}

/** What sharp says of an image, with the image's name. */
export async function naming<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw decodeError(name, (cause as Error).message, cause);
  }
}

/** What Node says of a file that could not be written, with what helps. */
function writeError(path: string, cause: unknown): LatentrayError {
  const { code = String(cause) } = cause as NodeJS.ErrnoException;
  const remedies: Record<string, string> = {
    ENOENT: `the folder ${dirname(path)} is missing. Make it first, or choose another`,
    EACCES: `the folder ${dirname(path)} may not be written to. Choose another`,
    EROFS: `the folder ${dirname(path)} is read-only. Choose another`,
    ENOSPC: 'the disk is full. Make room, or choose another folder',
    EISDIR: 'is a folder. Choose another name',
  };
  const reason = remedies[code] ?? `cannot be written (${code}). Choose another folder`;
  return new LatentrayError('ERR_WRITE', `${path}: ${reason}`, { cause, path });
}

function decodeError(path: string, reason: string, cause?: unknown): LatentrayError {
  return new LatentrayError('ERR_IMAGE_DECODE', `${path}: ${reason}`, { cause, path });
}
