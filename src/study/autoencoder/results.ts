import type { NetworkFindings } from './network-view.js';
import type { Distribution, ImageFigures, Measure } from './similarities.js';
import type { Spectra } from './spectra.js';

/** What an autoencoder does to one data set. */
export interface DatasetReconstruction {
  readonly name: string;
  readonly images: number;
  readonly patients: number;
  /** SHA-256 over the records' hashes, in the order drawn. */
  readonly digest: string;
  readonly similarity: Readonly<Record<Measure, Distribution>>;
  readonly spectra: Spectra;
  /** Distances and labels, where a classifier or extractors were given. */
  readonly networks: NetworkFindings;
  /** Each image by itself. */
  readonly perImage: readonly ImageFigures[];
}

/** What {@link autoencoder} finds. */
export interface AutoencoderStudy {
  readonly study: 'autoencoder';
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly randomWeights: boolean;
  /** SHA-256 over the weight files; null where there are none. */
  readonly digest: string | null;
  readonly datasets: readonly DatasetReconstruction[];
  /** The page and the figures, on disk. */
  readonly files: { readonly results: string; readonly report: string };
}
