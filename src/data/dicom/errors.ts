import { LatentrayError } from '../../errors.js';

/** `ERR_DICOM_DECODE`: the file is no DICOM file, is damaged or contradicts itself. */
export function damaged(reason: string, cause?: unknown): LatentrayError {
  return new LatentrayError('ERR_DICOM_DECODE', `${reason}. Export or copy the file again`, {
    cause,
  });
}

/** `ERR_DICOM_UNSUPPORTED`: the file may be in order, and this reader does not know its kind. */
export function unsupported(reason: string): LatentrayError {
  return new LatentrayError(
    'ERR_DICOM_UNSUPPORTED',
    `${reason}. Convert the file to Explicit VR Little Endian with your archive's tools`,
  );
}
