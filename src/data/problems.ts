import { LatentrayError } from '../errors.js';

/** Something in a data set that could not be used. */
export interface DatasetProblem {
  /** A row that is malformed, an image that is missing or unreadable, or a report that is. */
  readonly kind: 'row' | 'image' | 'report';
  /** The file that it stands in; for a missing image, the table that names it. */
  readonly path: string;
  /** From 1, where the file has lines. */
  readonly line?: number;
  /** What was expected and what was found, without identifiers. */
  readonly message: string;
  /** Where a missing image should be. Its folders can be called by the patient. */
  readonly image?: string;
}

/** How many problems there were of each kind. */
export interface ProblemCounts {
  readonly rows: number;
  readonly images: number;
  readonly reports: number;
}

/** What becomes of problems. */
export interface ProblemOptions {
  readonly strict: boolean;
  readonly onProblem?: ((problem: DatasetProblem) => void) | undefined;
}

const countOf = { row: 'rows', image: 'images', report: 'reports' } as const;

/** `ERR_DATASET`: the place, what was expected and found, and a remedy where there is one. */
export function datasetError(
  path: string,
  message: string,
  fields: { readonly line?: number; readonly kind?: string; readonly cause?: unknown } = {},
): LatentrayError {
  const place = fields.line === undefined ? path : `${path}:${fields.line}`;
  return new LatentrayError('ERR_DATASET', `${place}: ${message}`, { path, ...fields });
}

/** Counts the problems of one pass over a data set, and tells of them. */
export class ProblemLog {
  readonly #counts = { rows: 0, images: 0, reports: 0 };
  readonly #options: ProblemOptions;

  constructor(options: ProblemOptions) {
    this.#options = options;
  }

  get counts(): ProblemCounts {
    return { ...this.#counts };
  }

  /** @throws LatentrayError `ERR_DATASET` in a strict pass. */
  add(problem: DatasetProblem): void {
    const { strict, onProblem } = this.#options;
    const isFirst = Object.values(this.#counts).every((count) => count === 0);
    this.#counts[countOf[problem.kind]]++;
    onProblem?.(problem);
    if (strict) throw strictError(problem);
    if (isFirst && !onProblem) warn(problem);
  }
}

function strictError({ path, message, kind, line }: DatasetProblem): LatentrayError {
  return datasetError(path, message, { kind, ...(line !== undefined && { line }) });
}

/** Nobody listens: one word, without a path, so that a smaller data set is not a surprise. */
function warn({ kind }: DatasetProblem): void {
  const message = `Data set: one ${kind} cannot be used and is left out.`;
  const advice = '`problems` counts such cases; `onProblem` hears where each is.';
  process.emitWarning(`${message} ${advice}`, { code: 'LATENTRAY_DATASET' });
}

/** What went wrong, in a word without a path where there is one: `ENOENT`, `ERR_IMAGE_DECODE`. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  return code ?? message ?? String(error);
}
