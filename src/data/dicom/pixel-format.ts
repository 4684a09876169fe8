import type { DataSet } from './data-set.js';
import { damaged, unsupported } from './errors.js';
import { paletteColor } from './palette.js';

/** How an image's samples are stored. */
export interface PixelFormat {
  readonly width: number;
  readonly height: number;
  /** Samples a pixel. */
  readonly channels: 1 | 3;
  readonly frames: number;
  readonly photometric: string;
  readonly bitsAllocated: 8 | 16;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly signed: boolean;
  /** All of a colour first, then all of the next. */
  readonly planar: boolean;
}

const ofOneSample = ['MONOCHROME1', 'MONOCHROME2', paletteColor];
const ofThree = ['RGB', 'YBR_FULL', 'YBR_FULL_422', 'YBR_RCT', 'YBR_ICT'];

/**
 * @param maxPixels - More in one frame are refused, before memory is asked for.
 * @throws LatentrayError `ERR_DICOM_DECODE`, `ERR_DICOM_UNSUPPORTED`
 */
export function readPixelFormat(dataSet: DataSet, maxPixels: number): PixelFormat {
  const height = dataSet.integer(0x00280010);
  const width = dataSet.integer(0x00280011);
  if (width < 1 || height < 1) throw damaged(`the image has ${width}×${height} pixels`);
  if (width * height > maxPixels) {
    throw unsupported(
      `the image has ${width}×${height} pixels; expected at most ${maxPixels} (maxPixels)`,
    );
  }
  const photometric = dataSet.code(0x00280004) ?? 'MONOCHROME2';
  const channels = dataSet.integer(0x00280002, 1);
  if (!(channels === 1 ? ofOneSample : channels === 3 ? ofThree : []).includes(photometric)) {
    throw unsupported(
      `the photometric interpretation ${photometric} with ${channels} samples a pixel is not read here`,
    );
  }
  const [frames = 1] = dataSet.decimals(0x00280008);
  if (!Number.isInteger(frames) || frames < 1) throw damaged('(0028,0008) is no number of frames');
  return {
    width,
    height,
    channels: channels as 1 | 3,
    frames,
    photometric,
    ...readBits(dataSet),
    planar: dataSet.integer(0x00280006, 0) === 1,
  };
}

function readBits(dataSet: DataSet) {
  const bitsAllocated = dataSet.integer(0x00280100);
  if (bitsAllocated !== 8 && bitsAllocated !== 16) {
    throw unsupported(`samples of ${bitsAllocated} bits are not read here; expected 8 or 16`);
  }
  const bitsStored = dataSet.integer(0x00280101, bitsAllocated);
  const highBit = dataSet.integer(0x00280102, bitsStored - 1);
  if (bitsStored < 1 || bitsStored > highBit + 1 || highBit >= bitsAllocated) {
    throw damaged(`${bitsStored} bits up to bit ${highBit} do not fit into ${bitsAllocated}`);
  }
  return {
    bitsAllocated,
    bitsStored,
    highBit,
    signed: dataSet.integer(0x00280103, 0) === 1,
  } as const;
}
