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
  /** 1 grey, 3 RGB. */
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
  return {
    ...render(file, format, stored, settings),
    width: format.width,
    height: format.height,
    channels: format.channels,
    photometric: format.photometric,
    bitsStored: format.bitsStored,
    signed: format.signed,
    frames: format.frames,
    transferSyntax: syntax.uid,
    ...describe(dataSet),
    ...(settings.identifiers && { identifiers: identifiersOf(dataSet) }),
  };
}

function render(
  { dataSet }: DicomFile,
  format: PixelFormat,
  stored: Float32Array,
  { values, window }: DecodeSettings,
): { pixels: Float32Array; window: DicomWindow | undefined } {
  if (values === 'stored') return { pixels: stored, window: undefined };
  if (format.channels === 3) {
    const white = 2 ** format.bitsStored - 1;
    return { pixels: stored.map((value) => value / white), window: undefined };
  }
  if (values === 'display') return display(dataSet, format, stored, window);
  return { pixels: stored.map(modalityCurve(dataSet, format)), window: undefined };
}
