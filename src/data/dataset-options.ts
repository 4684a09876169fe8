import { z } from 'zod';
import type { LabelStyle, UncertainPolicy } from './labels.js';
import type { DatasetProblem } from './problems.js';

/** What every loader takes. */
export interface DatasetOptions {
  /**
   * Rejects at the first malformed row, missing image or unreadable report instead of leaving it out.
   *
   * @default false
   */
  readonly strict?: boolean;
  /** Hears of each problem. Without it, the first of a pass is a warning of the process. */
  readonly onProblem?: (problem: DatasetProblem) => void;
  /**
   * Looks whether each image is there. Without it, records of images that are missing come too.
   *
   * @default true
   */
  readonly checkImages?: boolean;
  /**
   * Gives the data set's own identifiers of patient, study and image with each record.
   *
   * @default false
   */
  readonly identifiers?: boolean;
  /**
   * What an uncertain label (−1) counts as: 0 (`'zeros'`), 1 (`'ones'`), as if it were not mentioned
   * (`'ignore'`), or itself (`'keep'`).
   *
   * @default 'keep'
   */
  readonly uncertain?: UncertainPolicy;
  /**
   * `'torchxrayvision'` gives labels as that library's loaders do: "No Finding" makes every pathology
   * negative, uncertain labels are ignored, Pleural Effusion is Effusion.
   *
   * @default 'published'
   */
  readonly labelStyle?: LabelStyle;
}

/** MIMIC-CXR comes in parts, which can lie in different folders. */
export interface MimicCxrOptions extends DatasetOptions {
  /**
   * `'jpg'` for MIMIC-CXR-JPG, `'dicom'` for MIMIC-CXR.
   *
   * @default 'jpg' where the folder has MIMIC-CXR-JPG's metadata table, else 'dicom'
   */
  readonly format?: 'jpg' | 'dicom';
  /** The folder whose `files` has the reports. @default with 'dicom', the same folder; with 'jpg', none */
  readonly reports?: string;
  /** The folder with MIMIC-CXR-JPG's tables, for labels and views of DICOM files. */
  readonly tables?: string;
  /** Which labeler's labels. @default 'chexpert' */
  readonly labeler?: 'chexpert' | 'negbio';
  /**
   * The section of a report that is the record's text; `'conclusion'` is MIT-LCP's choice of impression,
   * findings, last paragraph or comparison.
   *
   * @default 'conclusion'
   */
  readonly section?: string;
}

/** Open-i's reports and images are two downloads. */
export interface OpenIOptions extends DatasetOptions {
  /** The folder of the images. @default `NLMCXR_png`, `images` or the data set's folder itself */
  readonly images?: string;
  /** The section that is the record's text, as for {@link MimicCxrOptions}. @default 'conclusion' */
  readonly section?: string;
}

/** Folders of images have the columns that their owner gave them. */
export interface FolderOptions extends DatasetOptions {
  /** Names of further columns that records carry in `columns`. */
  readonly columns?: readonly string[];
}

/** {@link DatasetOptions}, with defaults. */
export const datasetOptions = z.strictObject({
  strict: z.boolean().default(false),
  onProblem: z
    .custom<(problem: DatasetProblem) => void>(isFunction, 'expected a function')
    .optional(),
  checkImages: z.boolean().default(true),
  identifiers: z.boolean().default(false),
  uncertain: z.enum(['keep', 'zeros', 'ones', 'ignore']).default('keep'),
  labelStyle: z.enum(['published', 'torchxrayvision']).default('published'),
});

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}

const section = z.string().min(1).default('conclusion');

export const mimicCxrOptions = z.strictObject({
  ...datasetOptions.shape,
  format: z.enum(['jpg', 'dicom']).optional(),
  reports: z.string().min(1).optional(),
  tables: z.string().min(1).optional(),
  labeler: z.enum(['chexpert', 'negbio']).default('chexpert'),
  section,
});

export const openIOptions = z.strictObject({
  ...datasetOptions.shape,
  images: z.string().min(1).optional(),
  section,
});

export const folderOptions = z.strictObject({
  ...datasetOptions.shape,
  columns: z.array(z.string()).default([]),
});
