import { Image } from '../image/image.js';
import type { Provenance } from '../image/provenance.js';
import { packageVersion } from '../native/package-root.js';
import type { Tensor } from '../tensor.js';

/** Bytes [N, H, W, C] as images, each with its provenance. */
export function bytesToImages(
  bytes: Tensor,
  provenanceOf?: (index: number) => Provenance,
): Image[] {
  const [count = 0, height = 0, width = 0, channels] = bytes.shape;
  const data = bytes.data() as Uint8Array;
  const size = data.length / count;
  return Array.from({ length: count }, (_, index) => {
    const own = data.slice(index * size, (index + 1) * size);
    const init = { width, height, channels: channels as 1 | 3, data: own };
    return new Image(provenanceOf ? { ...init, provenance: provenanceOf(index) } : init);
  });
}

/** The provenance of something that this package made. */
export function madeHere(details: Omit<Provenance, 'synthetic' | 'software'>): Provenance {
  return { synthetic: true, software: `latentray ${packageVersion}`, ...details };
}
