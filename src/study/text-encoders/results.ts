import type { SensitivityResult } from './contrasts.js';
import type { EmbeddingMap, GeometryResult } from './geometry.js';
import type { ProbeResult } from './probes.js';

/** One encoder over one set of texts. */
export interface CorpusResult {
  readonly corpus: string;
  /** Texts that were longer than the encoder takes. */
  readonly cut: number;
  readonly probes: readonly ProbeResult[];
  readonly geometry: GeometryResult;
  readonly map: EmbeddingMap;
}

/** What is known of one encoder. */
export interface EncoderResult {
  readonly name: string;
  readonly randomWeights: boolean;
  readonly modelType: string;
  /** SHA-256 over its weight files; null where it has none. */
  readonly digest: string | null;
  readonly pooling: string;
  readonly width: number;
  readonly maxLength: number;
  readonly corpora: readonly CorpusResult[];
  readonly negation: SensitivityResult;
  readonly laterality: SensitivityResult;
}

/** Texts that encoders were asked about; the texts themselves are not repeated. */
export interface CorpusDescription {
  readonly name: string;
  readonly texts: number;
  readonly groups: number;
  readonly groupedBy: string;
  readonly labels: readonly string[];
  readonly digest: string;
}

/** What {@link textEncoders} finds. */
export interface TextEncoderStudy {
  readonly study: 'text-encoders';
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly corpora: readonly CorpusDescription[];
  readonly encoders: readonly EncoderResult[];
  /** The page and the figures, on disk. */
  readonly files: { readonly results: string; readonly report: string };
}
