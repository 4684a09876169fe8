import sharp from 'sharp';
import { z } from 'zod';
import { invalidArgument } from '../errors.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { Image, toSharp } from './image.js';
import { type PixelImage, toUnitPixels } from './pixel-layout.js';
import { escapeXml } from './provenance.js';

/** One line of a {@link contactSheet}. */
export interface ContactSheetRow {
  /** Said below the line's images, for instance the file and its PSNR. */
  readonly label: string;
  readonly images: readonly Image[];
}

/** What a {@link contactSheet} shows. */
export interface ContactSheetOptions {
  /** What each column shows. */
  readonly columns: readonly string[];
  readonly rows: readonly ContactSheetRow[];
  /**
   * Pixels along each side of a cell.
   *
   * @default 256
   */
  readonly cellSize?: number;
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const row = z.strictObject({ label: z.string(), images: z.array(z.instanceof(Image)) });
const sheetOptions = z.strictObject({
  ...jobOptions.shape,
  columns: z.array(z.string()),
  rows: z.array(row).min(1),
  cellSize: z.int().positive().default(256),
});

const gap = 8;
const textHeight = 22;

/** The SVG that carries the labels cannot be larger. */
const largestSide = 32767;

/**
 * A grid of images with a heading over each column and a label under each row, on white. An image that is
 * no square keeps its proportions. The sheet is synthetic when one of its images is, and carries the
 * provenance of the first that is.
 *
 * @throws LatentrayError `ERR_INVALID_ARG` when a row has not one image a column, and for a sheet of more
 *   than 32,767 pixels a side.
 */
export async function contactSheet(options: ContactSheetOptions): Promise<Image> {
  const { columns, rows, cellSize, signal } = parseOptions(sheetOptions, options, 'contactSheet');
  for (const [index, { images }] of rows.entries()) {
    if (images.length !== columns.length) {
      throw invalidArgument(`rows[${index}]`, `${columns.length} images`, images.length);
    }
  }
  const x = (column: number) => gap + column * (cellSize + gap);
  const y = (row: number) => gap + textHeight + row * (cellSize + textHeight + gap);
  const width = x(columns.length);
  const height = y(rows.length);
  if (Math.max(width, height) > largestSide) {
    throw invalidArgument(
      'rows',
      `a sheet of at most ${largestSide} pixels a side`,
      `${width}×${height}`,
    );
  }

  signal?.throwIfAborted();
  const cells = rows.flatMap(({ images }, row) =>
    images.map(async (image, column) => ({
      input: await cell(image, cellSize),
      left: x(column),
      top: y(row),
    })),
  );
  const headings = columns.map((text, column) => label(text, x(column), gap));
  const labels = rows.map(({ label: text }, row) => label(text, x(0), y(row) + cellSize));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"
    font-family="DejaVu Sans, Liberation Sans, Arial, sans-serif" font-size="14">${[...headings, ...labels].join('')}</svg>`;

  const { data } = await sharp({ create: { width, height, channels: 3, background: 'white' } })
    .composite([...(await Promise.all(cells)), { input: Buffer.from(svg), left: 0, top: 0 }])
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  signal?.throwIfAborted();
  const provenance = rows
    .flatMap(({ images }) => images)
    .find((image) => image.provenance)?.provenance;
  return new Image({ width, height, channels: 3, data: new Uint8Array(data), provenance });
}

/**
 * The absolute difference of two images as a grey image, the mean over the channels, times `gain`.
 *
 * @throws LatentrayError `ERR_INVALID_ARG` when the sizes or the channels differ.
 */
export function differenceImage(a: Image, b: Image, gain: number): Image {
  const size = ({ width, height, channels }: PixelImage) => `${width}×${height}×${channels}`;
  if (size(a) !== size(b)) throw invalidArgument('b', `${size(a)} samples, as a`, size(b));
  const { width, height, channels } = a;
  const [left, right] = [toUnitPixels(a), toUnitPixels(b)];
  const pixels = Float32Array.from({ length: width * height }, (_, i) => {
    let sum = 0;
    for (let j = i * channels; j < (i + 1) * channels; ++j) {
      sum += Math.abs((left[j] as number) - (right[j] as number));
    }
    return (sum / channels) * gain;
  });
  const provenance = a.provenance ?? b.provenance;
  return Image.fromPixels(pixels, { width, height, channels: 1, provenance });
}

function cell(image: Image, size: number): Promise<Buffer> {
  return toSharp(image)
    .resize(size, size, { fit: 'contain', background: 'white' })
    .toColourspace('srgb')
    .png()
    .toBuffer();
}

function label(text: string, x: number, y: number): string {
  return `<text x="${x}" y="${y + textHeight - 7}">${escapeXml(text)}</text>`;
}
