/** Marks errors of this library, so that two copies of the package recognise each other's. */
const marker = Symbol.for('latentray.error');

/** Everything that a {@link LatentrayError} can carry besides its code and message. */
export interface LatentrayErrorFields {
  /** What led to this error. */
  cause?: unknown;
  /** Facts that a program can read: `key`, `path`, `expectedShape`, `actualShape` … */
  [field: string]: unknown;
}

/**
 * The one error class of this library. `code` (`ERR_…`) is for programs and stays stable; the message
 * says what was expected and what was found, with the remedy last. `docs/errors.md` lists the codes.
 */
export class LatentrayError extends Error {
  /** A stable code such as `ERR_WEIGHTS_CORRUPT`. */
  readonly code: string;
  readonly [field: string]: unknown;

  constructor(code: string, message: string, { cause, ...fields }: LatentrayErrorFields = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'LatentrayError';
    this.code = code;
    Object.assign(this, fields);
    Object.defineProperty(this, marker, { value: true });
  }

  /** True for errors of any copy of this library. */
  static isInstance(error: unknown): error is LatentrayError {
    return typeof error === 'object' && error !== null && marker in error;
  }
}

/** `ERR_INVALID_ARG`: "`name`: expected X, received Y". */
export function invalidArgument(name: string, expected: string, received: unknown): LatentrayError {
  return new LatentrayError(
    'ERR_INVALID_ARG',
    `${name}: expected ${expected}, received ${describe(received)}`,
    { argument: name },
  );
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value === 'object' && value !== null)
    return `an ${value.constructor?.name ?? 'object'}`;
  return String(value);
}
