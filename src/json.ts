import { LatentrayError } from './errors.js';

/** Strings, so that what stands inside them is left alone, numbers, and the three words that Python adds. */
const words =
  /"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

/** What JSON.parse would not tell apart travels as a string that no file holds. */
const marked = '\u0000latentray-number:';

/** The keys, or places, of an object or a list whose numbers are whole and were written as floats. */
const wholeFloats = new WeakMap<object, ReadonlySet<string>>();

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

/**
 * Reads a config as {@link parsePythonJson} does, and remembers which of its whole numbers are floats:
 * {@link stringifyPythonJson} writes those as `1.0`. transformers refuses a config whose `1.0` has become `1`.
 */
export function parseConfig(text: string, path: string): unknown {
  parsePythonJson(text, path); // what it throws speaks of the file's own text
  return JSON.parse(standardJson(text, isWholeFloat), restoreNumber);
}

/** A copy of a config with other values for some keys. A spread alone would forget which numbers are floats. */
export function changedConfig(
  config: Readonly<Record<string, unknown>>,
  changes: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const copy = { ...config, ...changes };
  wholeFloats.set(copy, wholeFloats.get(config) ?? new Set());
  return copy;
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
  try {
    return JSON.parse(standardJson(text), restoreNumber);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LatentrayError('ERR_CONFIG_INVALID', `${path}: not valid JSON: ${reason}`, {
      cause,
      path,
    });
  }
}

/** The same in standard JSON: NaN, and the numbers that `isMarked` names, as marked strings. */
function standardJson(text: string, isMarked: (word: string) => boolean = () => false): string {
  return text.replace(words, (word) => {
    if (word === 'Infinity') return '1e999';
    if (word === '-Infinity') return '-1e999';
    return word === 'NaN' || isMarked(word) ? JSON.stringify(marked + word) : word;
  });
}

function isWholeFloat(word: string): boolean {
  return /^[-\d].*[.eE]/.test(word) && Number.isInteger(Number(word));
}

function restoreNumber(this: object, key: string, value: unknown): unknown {
  if (key.startsWith(marked)) throw new SyntaxError('a number in the place of a key');
  if (typeof value !== 'string' || !value.startsWith(marked)) return value;
  const number = Number(value.slice(marked.length));
  if (Number.isInteger(number)) wholeFloats.set(this, new Set(wholeFloats.get(this)).add(key));
  return number;
}

/** transformers takes no integer for these, and in JavaScript a new config cannot say 1.0. */
const floatKeys: ReadonlySet<string> = new Set([
  'initializer_factor',
  'initializer_range',
  'layer_norm_eps',
]);

/**
 * Writes JSON as diffusers and transformers do: keys sorted, two spaces, a line's end, and numbers as Python's
 * `json.dump` writes them: `1e-05`, `NaN`, `Infinity`, and `1.0` for what was read as a float.
 */
export function stringifyPythonJson(value: unknown): string {
  return `${written(value, '\n')}\n`;
}

function written(value: unknown, newline: string, isFloat = false): string {
  if (typeof value === 'number') return pythonNumber(value, isFloat);
  if (!isContainer(value)) return JSON.stringify(value) ?? 'null';
  const inner = `${newline}  `;
  const floats = wholeFloats.get(value);
  if (Array.isArray(value)) {
    const items = value.map((item, index) => written(item, inner, floats?.has(String(index))));
    return items.length === 0 ? '[]' : `[${inner}${items.join(`,${inner}`)}${newline}]`;
  }
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => {
      const text = written(item, inner, floats?.has(key) || floatKeys.has(key));
      return `${JSON.stringify(key)}: ${text}`;
    });
  return entries.length === 0 ? '{}' : `{${inner}${entries.join(`,${inner}`)}${newline}}`;
}

/** Python's `repr` has the digits that JavaScript has, and an exponent for other numbers. */
function pythonNumber(value: number, isFloat: boolean): string {
  if (!Number.isFinite(value) || (Number.isInteger(value) && !isFloat)) return String(value);
  const [digits = '', exponent = ''] = value.toExponential().split('e');
  if (value !== 0 && (Number(exponent) < -4 || Number(exponent) >= 16)) {
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
  }
  if (!Number.isInteger(value)) return String(value);
  return `${Object.is(value, -0) ? '-0' : value}.0`;
}
