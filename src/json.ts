import { LatentrayError } from './errors.js';

/** Strings, so that what stands inside them is left alone, and the three words that Python's json adds. */
const stringsAndNonFinite = /"[^"\\]*(?:\\.[^"\\]*)*"|-Infinity|Infinity|NaN/gs;

/** JSON has no word for NaN: it travels as a string that no file holds. */
const nanPlaceholder = '\u0000latentray-nan';

/**
 * Reads JSON as Python's `json.dump` writes it: `NaN`, `Infinity` and `-Infinity` outside strings become
 * the numbers of that name (diffusers writes them into `scheduler_config.json`).
 *
 * @param text - The file's content.
 * @param path - The file's name, for the message.
 * @returns The value; check its shape before use.
 * @throws LatentrayError `ERR_CONFIG_INVALID` with `path` when `text` is not JSON.
 */
export function parsePythonJson(text: string, path: string): unknown {
  const value = parseDialect(text, path);
  if (isDeeperThan(value, maxDepth)) {
    const message = `${path}: nested more than ${maxDepth} levels deep`;
    throw new LatentrayError('ERR_CONFIG_INVALID', message, { path });
  }
  return value;
}

/** Far above any published file, and what every function that walks a value by recursion can stand. */
const maxDepth = 64;

/** Level by level, since a file can be deeper than the stack. */
function isDeeperThan(value: unknown, depth: number): boolean {
  let level = [value];
  for (let n = 0; n <= depth; ++n) {
    level = level.filter(isContainer).flatMap((container) => Object.values(container));
    if (level.length === 0) return false;
  }
  return true;
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function parseDialect(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Either broken or Python's dialect: the second reading tells.
  }
  let holdsNaN = false;
  const standard = text.replace(stringsAndNonFinite, (word) => {
    if (word === 'Infinity') return '1e999';
    if (word === '-Infinity') return '-1e999';
    if (word !== 'NaN') return word;
    holdsNaN = true;
    return JSON.stringify(nanPlaceholder);
  });
  try {
    return JSON.parse(standard, holdsNaN ? restoreNaN : undefined);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LatentrayError('ERR_CONFIG_INVALID', `${path}: not valid JSON: ${reason}`, {
      cause,
      path,
    });
  }
}

function restoreNaN(_key: string, value: unknown): unknown {
  return value === nanPlaceholder ? Number.NaN : value;
}

/** Marks a number that travels as a string through JSON.stringify. */
const nonFinite = '\u0000latentray-number:';
const quotedNonFinite = /"\\u0000latentray-number:(NaN|-?Infinity)"/g;

/**
 * Writes JSON as diffusers and transformers do: keys sorted, two spaces, a line's end; numbers that JSON has
 * no word for as Python's `json.dump` writes them.
 */
export function stringifyPythonJson(value: unknown): string {
  const text = JSON.stringify(value, pythonValue, 2);
  return `${text.replace(quotedNonFinite, '$1')}\n`;
}

function pythonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return `${nonFinite}${value}`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
