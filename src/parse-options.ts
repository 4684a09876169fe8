import { z } from 'zod';
import { invalidArgument, LatentrayError } from './errors.js';
import type { DType } from './native/addon-types.js';

/** What every call that computes takes. Strict, as every schema here: a misspelt option is an error. */
export const jobOptions = z.strictObject({ signal: z.instanceof(AbortSignal).optional() });

const name = (value: unknown) => typeof value === 'string';

/** Job options, and where and as what: names that do not exist are told apart where they are used. */
export const placedJobOptions = z.strictObject({
  ...jobOptions.shape,
  device: z.custom<string>(name, 'expected a string').optional(),
  dtype: z.custom<DType>(name, 'expected a string').optional(),
});

/** Something whose type is checked where it is used, so that the message is that place's own. */
export function checkedLater<T>(): z.ZodOptional<z.ZodCustom<T, T>> {
  return z.custom<T>().optional();
}

/** `ERR_INVALID_ARG` for what is no path. */
export function checkPath(path: unknown, argument = 'path'): asserts path is string {
  if (typeof path !== 'string' || path === '') throw invalidArgument(argument, 'a path', path);
}

/**
 * Checks what a caller passed against a schema, so that a misspelt or impossible option is an error and
 * not ignored.
 *
 * @param schema - Usually a `z.strictObject`.
 * @param value - What the caller passed; `undefined` stands for no options.
 * @param name - The function or the argument, which opens the message.
 * @throws LatentrayError `ERR_INVALID_ARG` with `issues` (zod's: `path`, `code`, `message`).
 */
export function parseOptions<Schema extends z.ZodType>(
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
