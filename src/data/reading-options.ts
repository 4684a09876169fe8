import { z } from 'zod';
import type { Fit } from '../image/fit-images.js';
import type { Image } from '../image/image.js';
import type { JobOptions } from '../native/addon.js';
import { jobOptions } from '../parse-options.js';
import type { DatasetRecord } from './record.js';

/** How a sample or a split is drawn. */
export interface SeedOptions {
  /** A whole number. The same seed draws the same records. @default 0 */
  readonly seed?: number;
}

/** How images are given. */
export interface DatasetImageOptions extends JobOptions {
  /** Pixels of both sides. @default each image's own size */
  readonly size?: number;
  /** What becomes of proportions. @default 'letterbox', which keeps all of the image */
  readonly fit?: Exclude<Fit, 'none'>;
}

/** Which text of reports is given. */
export interface ReportOptions extends JobOptions {
  /** `'conclusion'`, or a section's name: `'impression'`, `'findings'` … @default the loader's `section` */
  readonly section?: string;
}

/** A record with its pixels. */
export interface DatasetImage {
  readonly record: DatasetRecord;
  readonly image: Image;
}

export const seedOptions = z.strictObject({ seed: z.int().nonnegative().default(0) });
export const fractions = z.record(z.string().min(1), z.number().positive().max(1));
export const imageOptions = z.strictObject({
  ...jobOptions.shape,
  size: z.int().positive().optional(),
  fit: z.enum(['letterbox', 'centre-crop', 'stretch']).default('letterbox'),
});
export const reportOptions = z.strictObject({
  ...jobOptions.shape,
  section: z.string().min(1).optional(),
});
