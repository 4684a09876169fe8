import { z } from 'zod';
import { LatentrayError } from '../index.js';

/** What every study is told. */
export interface StudyOptions {
  /** The folder of results.json and report.html; it is made where it is missing. */
  readonly output: string;
  /** Of everything that is drawn. @default 0 */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StudyProgress) => void) | undefined;
}

/** Where a study stands. */
export interface StudyProgress {
  /** What is being done, in words. */
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}

/** @internal */
export const studyOptions = {
  output: z.string().min(1),
  seed: z.int().nonnegative().default(0),
  signal: z.instanceof(AbortSignal).optional(),
  onProgress: callable<(progress: StudyProgress) => void>().optional(),
};

/** @internal */
export function callable<T>() {
  return z.custom<T>((value) => typeof value === 'function', 'expected a function');
}

/** @internal Something that can be iterated over with `for await`. */
export function iterable<T>() {
  return z.custom<AsyncIterable<T> | Iterable<T>>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      (Symbol.asyncIterator in value || Symbol.iterator in value),
    'expected something to iterate over, such as a Dataset',
  );
}

/** @internal `ERR_INVALID_ARG` with zod's issues for options that are misspelt or impossible. */
export function checkedOptions<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  name: string,
): z.output<Schema> {
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  const reasons = result.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join('.')}: ${message}` : message,
  );
  throw new LatentrayError('ERR_INVALID_ARG', `${name}: ${reasons.join('; ')}`, {
    issues: result.error.issues,
  });
}
