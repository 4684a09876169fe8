import type { z } from 'zod';
import { LatentrayError } from './errors.js';

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
