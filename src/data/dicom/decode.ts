import { LatentrayError } from '../../errors.js';
import {
  type DicomDescription,
  type DicomIdentifiers,
  describe,
  identifiersOf,
} from './description.js';
import { damaged } from './errors.js';
import { type DicomFile, parseDicom } from './file.js';
import { type DicomWindow, display, modalityCurve, type WindowChoice } from './grey.js';
import { paletteColor, paletteColors } from './palette.js';
import { type PixelFormat, readPixelFormat } from './pixel-format.js';
import { readStoredValues } from './samples.js';

/** What the pixels of a {@link DicomImage} are. */
export type DicomValues = 'display' | 'modality' | 'stored';

/** Everything that decoding needs besides the file. */
export interface DecodeSettings {
  readonly values: DicomValues;
  readonly window: 'file' | 'bits' | 'pixels' | WindowChoice;
  readonly frame: number;
  readonly identifiers: boolean;
  readonly maxPixels: number;
}

/** One frame of a DICOM file. */
export interface DicomImage extends DicomDescription {
  /** H×W×C: grey levels in [0, 1], or what `values` asks for. */
  readonly pixels: Float32Array;
  readonly width: number;
  readonly height: number;
  /** 1 grey, or indices of a palette as stored; 3 RGB. */
  readonly channels: 1 | 3;
  /** As stored: MONOCHROME1, RGB … Pixels for display are never inverted, and always grey or RGB. */
  readonly photometric: string;
  readonly bitsStored: number;
  readonly signed: boolean;
  readonly frames: number;
  /** The transfer syntax's identifier. */
  readonly transferSyntax: string;
  /** What black and white stand for; undefined for colour and for values that are not for display. */
  readonly window: DicomWindow | undefined;
  /** Only where they were asked for. */
  readonly identifiers?: DicomIdentifiers;
}

/** @throws LatentrayError `ERR_DICOM_DECODE`, `ERR_DICOM_UNSUPPORTED`, `ERR_DICOM_CODEC`, and no other error. */
export async function decodeDicom(bytes: Buffer, settings: DecodeSettings): Promise<DicomImage> {
  try {
    return await decode(parseDicom(bytes), settings);
  } catch (cause) {
    if (LatentrayError.isInstance(cause)) throw cause;
    throw damaged(`the file cannot be read (${(cause as Error).message})`, cause);
  }
}

async function decode(file: DicomFile, settings: DecodeSettings): Promise<DicomImage> {
  const { dataSet, syntax } = file;
  const format = readPixelFormat(dataSet, settings.maxPixels);
  if (settings.frame >= format.frames) {
    throw damaged(`the file has ${format.frames} frames; expected one of number ${settings.frame}`);
  }
  const stored = await readStoredValues(file, format, settings.frame);
  const image = render(file, format, stored, settings);
  return {
    pixels: image.pixels,
    window: image.window,
    width: format.width,
    height: format.height,
    channels: image.channels,
    photometric: format.photometric,
    bitsStored: format.bitsStored,
    signed: format.signed,
    frames: format.frames,
    transferSyntax: syntax.uid,
    ...describe(dataSet),
    ...(settings.identifiers && { identifiers: identifiersOf(dataSet) }),
  };
}

type Rendered = Pick<DicomImage, 'pixels' | 'channels' | 'window'>;

function render(
  { dataSet }: DicomFile,
  format: PixelFormat,
  stored: Float32Array,
  { values, window }: DecodeSettings,
): Rendered {
  const { channels } = format;
  if (values === 'stored') return { pixels: stored, channels, window: undefined };
  if (format.photometric === paletteColor) {
    const pixels = paletteColors(dataSet, format, stored);
    return { pixels, channels: 3, window: undefined };
  }
  if (channels === 3) {
    const white = 2 ** format.bitsStored - 1;
    return { pixels: stored.map((value) => value / white), channels, window: undefined };
  }
  if (values === 'display') return { ...display(dataSet, format, stored, window), channels };
  return { pixels: stored.map(modalityCurve(dataSet, format)), channels, window: undefined };
}
