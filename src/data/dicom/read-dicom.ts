import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { invalidArgument, LatentrayError } from '../../errors.js';
import type { ImageSource } from '../../image/image.js';
import { jobOptions, parseOptions } from '../../parse-options.js';
import type { DicomImage, DicomValues } from './decode.js';
import { decodeInThread } from './decoder-threads.js';
import type { WindowChoice } from './grey.js';

/** How a DICOM file is read. */
export interface ReadDicomOptions {
  /**
   * `display`: grey levels in [0, 1], 1 white, through the modality's and the VOI's curve, MONOCHROME1
   * inverted. `modality`: what the values mean, before any window. `stored`: as the file has them.
   *
   * @default 'display'
   */
  readonly values?: DicomValues;
  /**
   * `file`: the file's VOI table, or else its first window, or else `bits`. `bits`: everything that
   * BitsStored can hold. `pixels`: from the image's least to its largest value. Or a window of your own.
   *
   * @default 'file'
   */
  readonly window?: 'file' | 'bits' | 'pixels' | WindowChoice;
  /**
   * Of a file with several, from 0.
   *
   * @default 0
   */
  readonly frame?: number;
  /**
   * Whether `identifiers` says who was examined, when and where.
   *
   * @default false
   */
  readonly identifiers?: boolean;
  /**
   * Frames with more are refused before memory is asked for.
   *
   * @default 100 million
   */
  readonly maxPixels?: number;
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const windowChoice = z
  .strictObject({
    center: z.number(),
    width: z.number().positive(),
    function: z.enum(['linear', 'linear-exact', 'sigmoid']).default('linear'),
  })
  .refine((choice) => choice.function !== 'linear' || choice.width >= 1, {
    path: ['width'],
    message: 'expected at least 1 for a linear window',
  });

const readDicomOptions = z.strictObject({
  ...jobOptions.shape,
  values: z.enum(['display', 'modality', 'stored']).default('display'),
  window: z.union([z.enum(['file', 'bits', 'pixels']), windowChoice]).default('file'),
  frame: z.int().min(0).default(0),
  identifiers: z.boolean().default(false),
  maxPixels: z
    .int()
    .min(1)
    .max(2 ** 29)
    .default(100_000_000),
});

/**
 * Reads a radiograph from a DICOM file: CR, DX, MG, and other modalities as far as their frames are grey, RGB or
 * palette colour, which becomes RGB. Decoding happens in a thread of its own. JPEG 2000, JPEG-LS and lossless JPEG need a package each,
 * which the error names.
 *
 * @param source - A path, a file: URL, or the bytes of a file; also one that gzip compressed.
 * @throws LatentrayError `ERR_DICOM_DECODE` for what is damaged or no DICOM file, `ERR_DICOM_UNSUPPORTED`
 *   for kinds that are not read here, `ERR_DICOM_CODEC` for a missing package.
 */
export async function readDicom(
  source: ImageSource,
  options: ReadDicomOptions = {},
): Promise<DicomImage> {
  const { signal, ...settings } = parseOptions(readDicomOptions, options, 'readDicom');
  const input = source instanceof URL ? fileURLToPath(source) : source;
  if (!(input instanceof Uint8Array) && (typeof input !== 'string' || input === '')) {
    throw invalidArgument('source', 'a path, a file: URL or bytes', source);
  }
  try {
    return await decodeInThread({ source: input, settings }, signal);
  } catch (cause) {
    if (typeof input !== 'string' || !LatentrayError.isInstance(cause)) throw cause;
    throw new LatentrayError(cause.code, `${input}: ${cause.message}`, {
      ...cause,
      cause,
      path: input,
    });
  }
}
