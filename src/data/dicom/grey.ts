// From stored values to what a display shows: DICOM PS3.3 C.11.1 (modality), C.11.2 (window, VOI table), C.7.6.3.1.2 (MONOCHROME1).

import type { DataSet } from './data-set.js';
import { damaged } from './errors.js';
import { lookUp, readLookupTable } from './lookup-table.js';
import type { PixelFormat } from './pixel-format.js';

/** How values become grey levels. */
export type WindowFunction = 'linear' | 'linear-exact' | 'sigmoid';

/** A window of the caller's choice. */
export interface WindowChoice {
  readonly center: number;
  readonly width: number;
  /** @default 'linear' */
  readonly function?: WindowFunction;
}

/** Which values become black and white. */
export type DicomWindow =
  | {
      readonly function: WindowFunction;
      readonly center: number;
      readonly width: number;
      readonly source: 'file' | 'options';
    }
  /** The file's VOI table. */
  | { readonly function: 'table'; readonly source: 'file' }
  /** From `low` to `high`: what BitsStored can hold, or what the pixels do hold. */
  | {
      readonly function: 'range';
      readonly low: number;
      readonly high: number;
      readonly source: 'bits' | 'pixels';
    };

type Curve = (value: number) => number;

/** Stored values as the modality means them: Hounsfield units, optical density. */
export function modalityCurve(dataSet: DataSet, { signed }: PixelFormat): Curve {
  const table = readLookupTable(dataSet, 0x00283000, signed);
  if (table) return (value) => lookUp(table, value);
  const [slope = 1] = dataSet.decimals(0x00281053);
  const [intercept = 0] = dataSet.decimals(0x00281052);
  if (!Number.isFinite(slope) || !Number.isFinite(intercept) || slope === 0) {
    throw damaged('the rescale slope and intercept are no usable numbers');
  }
  return (value) => value * slope + intercept;
}

/** Grey levels in [0, 1] of one frame, and the window that gave them. */
export function display(
  dataSet: DataSet,
  format: PixelFormat,
  stored: Float32Array,
  choice: 'file' | 'bits' | 'pixels' | WindowChoice,
): { pixels: Float32Array; window: DicomWindow } {
  const toModality = modalityCurve(dataSet, format);
  const isPadding = paddingTest(dataSet, format);
  const table =
    choice === 'file'
      ? readLookupTable(dataSet, 0x00283010, bitsRange(format, toModality).low < 0)
      : undefined;
  const window: DicomWindow = table
    ? { function: 'table', source: 'file' }
    : chooseWindow(dataSet, choice, () =>
        choice === 'pixels' ? extent(stored, toModality, isPadding) : bitsRange(format, toModality),
      );
  const white = table ? 2 ** table.bits - 1 : 1;
  const toGrey: Curve = table ? (v) => Math.min(lookUp(table, v) / white, 1) : greyCurve(window);
  const inverted = format.photometric === 'MONOCHROME1';
  const pixels = stored.map((value) => {
    if (isPadding(value)) return 0;
    const grey = toGrey(toModality(value));
    return inverted ? 1 - grey : grey;
  });
  return { pixels, window };
}

function chooseWindow(
  dataSet: DataSet,
  choice: 'file' | 'bits' | 'pixels' | WindowChoice,
  range: () => { low: number; high: number },
): DicomWindow {
  if (typeof choice === 'object') {
    return { function: 'linear', ...choice, source: 'options' };
  }
  const fromFile = choice === 'file' && fileWindow(dataSet);
  return (
    fromFile || { function: 'range', ...range(), source: choice === 'pixels' ? 'pixels' : 'bits' }
  );
}

/** The first window of the file; undefined where it has none that makes sense. */
function fileWindow(dataSet: DataSet): DicomWindow | undefined {
  const [center = Number.NaN] = dataSet.decimals(0x00281050);
  const [width = Number.NaN] = dataSet.decimals(0x00281051);
  const name = dataSet.code(0x00281056);
  const shape =
    name === 'SIGMOID' ? 'sigmoid' : name === 'LINEAR_EXACT' ? 'linear-exact' : 'linear';
  const fits = Number.isFinite(center) && Number.isFinite(width) && width > 0;
  if (!fits || (shape === 'linear' && width < 1)) return undefined;
  return { function: shape, center, width, source: 'file' };
}

function greyCurve(window: DicomWindow): Curve {
  if (window.function === 'table') return (value) => value;
  if (window.function === 'range') {
    const { low, high } = window;
    return high > low ? (value) => unit((value - low) / (high - low)) : () => 0;
  }
  const { center, width } = window;
  if (window.function === 'sigmoid') {
    return (value) => 1 / (1 + Math.exp((-4 * (value - center)) / width));
  }
  if (window.function === 'linear-exact') return (value) => unit((value - center) / width + 0.5);
  if (width === 1) return (value) => (value > center - 0.5 ? 1 : 0);
  return (value) => unit((value - (center - 0.5)) / (width - 1) + 0.5);
}

function unit(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}

/** What BitsStored can hold, as the modality means it. */
function bitsRange(
  { bitsStored, signed }: PixelFormat,
  toModality: Curve,
): { low: number; high: number } {
  const least = signed ? -(2 ** (bitsStored - 1)) : 0;
  const ends = [toModality(least), toModality(least + 2 ** bitsStored - 1)];
  return { low: Math.min(...ends), high: Math.max(...ends) };
}

function extent(
  stored: Float32Array,
  toModality: Curve,
  isPadding: (value: number) => boolean,
): { low: number; high: number } {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of stored) {
    if (isPadding(value)) continue;
    const meant = toModality(value);
    low = Math.min(low, meant);
    high = Math.max(high, meant);
  }
  return low <= high ? { low, high } : { low: 0, high: 0 };
}

/** Pixels outside of what was exposed have a value, or a range of values, set apart for them. */
function paddingTest(dataSet: DataSet, { signed }: PixelFormat): (value: number) => boolean {
  const [first] = dataSet.integers(0x00280120, signed);
  if (first === undefined) return () => false;
  const [last = first] = dataSet.integers(0x00280121, signed);
  const [low, high] = [Math.min(first, last), Math.max(first, last)];
  return (value) => value >= low && value <= high;
}
