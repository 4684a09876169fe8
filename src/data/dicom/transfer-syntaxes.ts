import { unsupported } from './errors.js';

/** How a frame's samples are compressed; `native` is not at all. */
export type Compression = 'native' | 'rle' | 'jpeg' | 'jpeg-lossless' | 'jpeg-ls' | 'jpeg-2000';

/** How a data set is written. */
export interface TransferSyntax {
  readonly uid: string;
  /** Without it, a value's representation follows from its tag. */
  readonly explicit: boolean;
  readonly bigEndian: boolean;
  readonly deflated: boolean;
  readonly compression: Compression;
  /** Decoded samples may lie outside of BitsStored. */
  readonly lossy: boolean;
}

const explicitLittleEndian = {
  explicit: true,
  bigEndian: false,
  deflated: false,
  compression: 'native',
  lossy: false,
} as const;

const root = '1.2.840.10008.1.2';

const differences: Readonly<Record<string, Partial<TransferSyntax>>> = {
  [root]: { explicit: false },
  [`${root}.1`]: {},
  [`${root}.1.99`]: { deflated: true },
  [`${root}.2`]: { bigEndian: true },
  [`${root}.5`]: { compression: 'rle' },
  [`${root}.4.50`]: { compression: 'jpeg', lossy: true },
  [`${root}.4.51`]: { compression: 'jpeg', lossy: true },
  [`${root}.4.57`]: { compression: 'jpeg-lossless' },
  [`${root}.4.70`]: { compression: 'jpeg-lossless' },
  [`${root}.4.80`]: { compression: 'jpeg-ls' },
  [`${root}.4.81`]: { compression: 'jpeg-ls', lossy: true },
  [`${root}.4.90`]: { compression: 'jpeg-2000' },
  [`${root}.4.91`]: { compression: 'jpeg-2000', lossy: true },
};

/** @throws LatentrayError `ERR_DICOM_UNSUPPORTED` for a transfer syntax that is not read here. */
export function transferSyntax(uid: string): TransferSyntax {
  if (!Object.hasOwn(differences, uid)) {
    const shown = /^[0-9.]{1,64}$/.test(uid) ? uid : 'no identifier';
    throw unsupported(`the transfer syntax ${shown} is not one that is read here`);
  }
  return { uid, ...explicitLittleEndian, ...differences[uid] };
}

/** The syntax of a data set that does not say it. */
export function undeclaredSyntax(explicit: boolean, bigEndian: boolean): TransferSyntax {
  if (!explicit && bigEndian) throw unsupported('implicit VR in big endian is not part of DICOM');
  return transferSyntax(bigEndian ? `${root}.2` : explicit ? `${root}.1` : root);
}
