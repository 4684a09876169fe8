import { createReadStream } from 'node:fs';
import { isAbsolute, join, normalize, sep } from 'node:path';
import { datasetError, type SampleOrigin } from './dataset-error.js';
import { checkSample, kindOf, type TrainingRecord } from './training-sample.js';

/** Characters a line: far above any caption, and what keeps a file that is no table out of memory. */
const maxLineLength = 2 ** 20;

/**
 * The samples of a folder's metadata.jsonl, as Hugging Face's imagefolder has it: a JSON object a line, with
 * `file_name`, `text`, and where there are `id`, `weight` and `mask` (a path as `file_name` is).
 */
export async function* readMetadataFile(folder: string): AsyncGenerator<TrainingRecord> {
  const path = join(folder, 'metadata.jsonl');
  let index = 0;
  for await (const { line, text } of readLines(path)) {
    if (text.trim() === '') continue;
    const origin = { path, line };
    const { file_name, mask, id, ...rest } = parseRow(text, origin);
    const sample = {
      ...rest,
      id: id ?? file_name,
      image: inFolder(folder, 'file_name', file_name, origin),
      mask: mask === undefined ? undefined : inFolder(folder, 'mask', mask, origin),
    };
    yield checkSample(sample, index++, origin);
  }
}

/** A row's own entries; an empty one (`null`) is one that is not there. */
function parseRow(text: string, origin: SampleOrigin): Record<string, unknown> {
  let row: unknown;
  try {
    row = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw datasetError(origin, `not valid JSON: ${reason}`, { cause });
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw datasetError(origin, `expected a JSON object, found ${kindOf(row)}`);
  }
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}

/** A path inside the folder: metadata from elsewhere must not name other files of this machine. */
function inFolder(folder: string, name: string, value: unknown, origin: SampleOrigin): string {
  if (typeof value !== 'string' || value === '') {
    throw datasetError(origin, `${name}: expected a path, found ${kindOf(value)}`);
  }
  const leaves = isAbsolute(value) || normalize(value).split(sep)[0] === '..';
  if (leaves) {
    throw datasetError(origin, `${name}: expected a path inside the folder, found '${value}'`);
  }
  return join(folder, value);
}

async function* readLines(path: string): AsyncGenerator<{ line: number; text: string }> {
  let line = 1;
  let rest = '';
  for await (const chunk of readChunks(path)) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) yield { line: line++, text };
    if (rest.length > maxLineLength) {
      const message = `expected a line of at most ${maxLineLength} characters`;
      throw datasetError({ path, line }, message);
    }
  }
  yield { line, text: rest };
}

async function* readChunks(path: string): AsyncGenerator<string> {
  try {
    for await (const chunk of createReadStream(path, 'utf8')) yield chunk;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const remedy = 'a folder of images has one, with {"file_name": …, "text": …} on each line';
    throw datasetError({ path }, `cannot be read (${code}); ${remedy}`, { cause });
  }
}
