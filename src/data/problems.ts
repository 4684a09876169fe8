import { LatentrayError } from '../errors.js';

/** Something in a data set that could not be used. */
export interface DatasetProblem {
  /** A row that is malformed, an image that is missing or unreadable, or a report that is. */
  readonly kind: 'row' | 'image' | 'report';
  /** The file that it stands in; for a missing image, the table that names it. */
  readonly path: string;
  /** From 1, where the file has lines. */
  readonly line?: number;
  /** What was expected and what was found. */
  readonly message: string;
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
    const { path, message, ...fields } = problem;
    if (strict) throw datasetError(path, message, fields);
    if (isFirst && !onProblem) warn(datasetError(path, message, fields).message);
  }
}

/** Nobody listens: one word, so that a smaller data set is not a surprise. */
function warn(message: string): void {
  const advice =
    'The record is left out. Further ones are counted in `problems`; `onProblem` hears each.';
  process.emitWarning(`${message}. ${advice}`, { code: 'LATENTRAY_DATASET' });
}
