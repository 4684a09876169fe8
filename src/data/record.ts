import { createHash } from 'node:crypto';
import type { Report } from './report-sections.js';

/** 1 positive, 0 negative, −1 uncertain. A label that nobody mentioned is not there. */
export type Labels = Readonly<Record<string, 1 | 0 | -1>>;

/** The projection: AP and PA are the frontal views. */
export type View = 'PA' | 'AP' | 'lateral' | 'other';

/** Where a finding was marked, in pixels of the original image. */
export interface FindingBox {
  readonly label: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The data set's own identifiers, given only where they were asked for. */
export interface Identifiers {
  readonly patient: string;
  readonly study: string;
  readonly image: string;
}

/** What is known of a study, with or without its image. */
export interface ReportRecord {
  /** A hash of the data set's own name for it: the same in every run. */
  readonly id: string;
  /** A hash of the patient's identifier, the same for all of the patient's records. */
  readonly patient: string;
  /** A hash of the study's identifier, the same for all images of one study. */
  readonly study: string;
  /** What the image is trained on: a report's section, a caption, or a sentence of what the labels say. */
  readonly text: string;
  readonly labels: Labels;
  readonly view?: View;
  /** The part of the data set's own split, or of `split()`: `'train'`, `'validation'`, `'test'`. */
  readonly split?: string;
  readonly sex?: 'F' | 'M';
  /** In years. */
  readonly age?: number;
  readonly report?: Report;
  /** Columns that were asked for by name (`columns`), as the table has them. */
  readonly columns?: Readonly<Record<string, unknown>>;
  readonly identifiers?: Identifiers;
}

/** One image with what is known of it. `train()` takes it as it is. */
export interface DatasetRecord extends ReportRecord {
  /**
   * The image's path. Data sets name folders by their own patient identifiers: publish `id`, not the path.
   */
  readonly image: string;
  /** How much the sample counts in training, where the folder's metadata says so. */
  readonly weight?: number;
  /** A mask's path, where the folder's metadata names one. */
  readonly mask?: string;
  readonly boxes?: readonly FindingBox[];
}

/** Where a record was read. */
export interface RecordSource {
  readonly path: string;
  readonly line?: number;
}

type OfRecord =
  | 'labels'
  | 'view'
  | 'split'
  | 'sex'
  | 'age'
  | 'columns'
  | 'weight'
  | 'mask'
  | 'boxes';

/** A record as a loader finds it, before anything is read that costs time. */
export interface Draft extends Partial<Pick<DatasetRecord, OfRecord>> {
  readonly labels: Labels;
  readonly keys: Identifiers;
  readonly source: RecordSource;
  /** Where the image can be, the likeliest path first; empty for a report without one. */
  readonly imagePaths: readonly string[];
  /** Which of the paths it is; `imagePaths` are tried one by one where there is no better way. */
  readonly findImage?: () => Promise<string | undefined>;
  readonly text?: string;
  /** `read` throws for a report that cannot be read. */
  readonly report?: { readonly path: string; readonly read: () => Promise<Report> };
}

/**
 * 64 bits of a hash: opaque, and no secret. Whoever has the data set can compute it too.
 *
 * @param dataset - Keeps the data sets apart.
 */
export function opaqueId(dataset: string, kind: keyof Identifiers, key: string): string {
  return createHash('sha256').update(`${dataset}\0${kind}\0${key}`).digest('hex').slice(0, 16);
}

/** A number in [0, 1) that follows from the purpose, the seed and the key alone. */
export function hashFraction(purpose: string, seed: number, key: string): number {
  const hash = createHash('sha256').update(`${purpose}\0${seed}\0${key}`).digest();
  return hash.readUIntBE(0, 6) / 2 ** 48;
}
