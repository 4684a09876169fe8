import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { datasetError } from './problems.js';

/** Characters a line; what is longer is no row of a table, and is not kept in memory. */
export const maxLineLength = 2 ** 20;

/** One line of a text file, without its end. */
export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  /** Only the line's beginning is in `text`. */
  readonly isCut: boolean;
}

/**
 * The lines of a text file, gzipped where its name ends in .gz. Memory is bounded whatever the file holds.
 *
 * @throws LatentrayError `ERR_DATASET` when the file cannot be read to its end.
 */
export async function* readLines(path: string): AsyncGenerator<Line> {
  let number = 1;
  let text = '';
  let isCut = false;
  const append = (more: string) => {
    isCut ||= text.length + more.length > maxLineLength;
    if (text.length < maxLineLength) text += more.slice(0, maxLineLength - text.length);
  };
  try {
    for await (const chunk of openText(path)) {
      let start = 0;
      for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', start)) {
        append(chunk.slice(start, end));
        yield { number: number++, text: withoutReturn(text), isCut };
        [text, isCut, start] = ['', false, end + 1];
      }
      append(chunk.slice(start));
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw datasetError(path, `the file could not be read to its end: ${reason}`, {
      line: number,
      cause,
    });
  }
  if (text !== '') yield { number, text: withoutReturn(text), isCut };
}

function openText(path: string): AsyncIterable<string> {
  const file = createReadStream(path);
  if (!path.endsWith('.gz')) return file.setEncoding('utf8') as AsyncIterable<string>;
  // The reader gets the error too; the callback keeps it from being thrown a second time.
  const text: Readable = pipeline(file, createGunzip(), () => {});
  return text.setEncoding('utf8') as AsyncIterable<string>;
}

function withoutReturn(text: string): string {
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}
