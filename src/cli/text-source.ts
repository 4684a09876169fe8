import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { parse } from 'csv-parse';
import { LatentrayError } from '../index.js';

const delimiters: Record<string, string> = { '.csv': ',', '.tsv': '\t' };

/**
 * Texts from a file, one by one: each line is one, blank lines too; of a .csv or .tsv file one column, whose
 * first row names the columns. `-` reads lines from stdin.
 *
 * @throws `ERR_INVALID_ARG` for a file that is not there or a column that it lacks.
 */
export async function* readTexts(file: string, column: string | undefined): AsyncGenerator<string> {
  const delimiter = delimiters[extname(file).toLowerCase()];
  if (column !== undefined && delimiter === undefined) {
    throw usageError(`--column: expected a .csv or .tsv file, received ${file}`);
  }
  const input = file === '-' ? process.stdin : await openFile(file);
  if (delimiter === undefined) yield* createInterface({ input, crlfDelay: Infinity });
  else yield* readColumn(input, { file, column, delimiter });
}

interface Table {
  readonly file: string;
  readonly column: string | undefined;
  readonly delimiter: string;
}

async function* readColumn(input: Readable, table: Table): AsyncGenerator<string> {
  const { file, column, delimiter } = table;
  const parser = input.pipe(parse({ bom: true, delimiter, skip_empty_lines: true }));
  input.once('error', (error) => parser.destroy(error));
  let index: number | undefined;
  try {
    for await (const row of parser as AsyncIterable<string[]>) {
      if (index === undefined) index = columnIndex(row, file, column);
      else yield row[index] ?? '';
    }
  } catch (error) {
    const { code } = error as { code?: string };
    if (!code?.startsWith('CSV_')) throw error;
    throw usageError(`${file}: ${(error as Error).message}`);
  }
}

function columnIndex(names: readonly string[], file: string, column: string | undefined): number {
  const index = column === undefined && names.length === 1 ? 0 : names.indexOf(column ?? '');
  if (index >= 0) return index;
  throw usageError(
    `--column: expected one of ${file}'s (${names.join(', ')}), received ${column ?? 'none'}`,
  );
}

async function openFile(path: string): Promise<Readable> {
  const isFile = await stat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );
  if (!isFile) throw usageError(`--texts: ${path} is no file that can be read`);
  return createReadStream(path);
}

function usageError(message: string): LatentrayError {
  return new LatentrayError('ERR_INVALID_ARG', message);
}
