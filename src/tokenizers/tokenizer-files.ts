// The files that tokenizers are published in, read and checked; every failure names the file and the reason.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LatentrayError } from '../errors.js';
import { parsePythonJson } from '../json.js';

/** `ERR_TOKENIZER`: "path: reason". */
export function tokenizerError(path: string, reason: string, cause?: unknown): LatentrayError {
  return new LatentrayError('ERR_TOKENIZER', `${path}: ${reason}`, { cause, path });
}

/** A file of the folder, or undefined when there is none of that name. */
export async function readOptional(directory: string, name: string): Promise<string | undefined> {
  const path = join(directory, name);
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw tokenizerError(path, `cannot be read: ${message}`, cause);
  }
}

/** A JSON object, or undefined where the file is absent. */
export function parseOptional(
  text: string | undefined,
  path: string,
): Record<string, unknown> | undefined {
  return text === undefined ? undefined : parseObject(text, path);
}

/** @throws LatentrayError `ERR_TOKENIZER` when `text` is not a JSON object. */
export function parseObject(text: string, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parsePythonJson(text, path);
  } catch (cause) {
    throw new LatentrayError('ERR_TOKENIZER', (cause as Error).message, { cause, path });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw tokenizerError(path, 'expected a JSON object');
  }
  return value as Record<string, unknown>;
}

/** vocab.json: every token's id. */
export function parseVocabJson(text: string, path: string): Record<string, number> {
  const vocab = parseObject(text, path);
  checkIds(Object.entries(vocab), path);
  return vocab as Record<string, number>;
}

/** vocab.txt: a token a line, its id the line's number from 0. */
export function parseVocabText(text: string): Record<string, number> {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return Object.fromEntries(lines.map((token, id) => [token, id]));
}

/**
 * merges.txt: pairs in order of rank, after an optional `#version` line.
 *
 * @param vocab - Must hold what every pair becomes; else the two files are not of one tokenizer.
 */
export function parseMerges(
  text: string,
  path: string,
  vocab: Readonly<Record<string, number>>,
): [string, string][] {
  const merges: [string, string][] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || (index === 0 && line.startsWith('#version'))) continue;
    const [left, right, ...rest] = line.split(' ');
    if (!left || !right || rest.length > 0) {
      throw tokenizerError(path, `line ${index + 1}: expected two tokens, found '${line}'`);
    }
    if (!Object.hasOwn(vocab, left + right)) {
      throw tokenizerError(path, `line ${index + 1}: '${left + right}' is not in the vocabulary`);
    }
    merges.push([left, right]);
  }
  return merges;
}

/** Ids must be whole numbers, not negative, each below 2³¹. */
export function checkIds(entries: Iterable<readonly [string, unknown]>, path: string): void {
  for (const [token, id] of entries) {
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= 2 ** 31) {
      throw tokenizerError(path, `'${token}': expected an id from 0, found ${JSON.stringify(id)}`);
    }
  }
}
