import { readCsv } from './csv-rows.js';
import { readLines } from './lines.js';
import type { ProblemLog } from './problems.js';

/** A row of a folder's metadata, whatever it is written in. */
export interface MetadataRow {
  readonly line: number;
  /** What the row has; of a .csv, texts. */
  readonly values: ReadonlyMap<string, unknown>;
}

/** The rows of `metadata.jsonl` or `metadata.csv`. */
export function readMetadata(path: string, log: ProblemLog): AsyncGenerator<MetadataRow> {
  return path.endsWith('.csv') ? readCsvRows(path, log) : readJsonLines(path, log);
}

async function* readCsvRows(path: string, log: ProblemLog): AsyncGenerator<MetadataRow> {
  for await (const { line, columns, get } of readCsv(path, { required: ['file_name'] }, log)) {
    const filled = columns
      .map((name) => [name, get(name)] as const)
      .filter(([, text]) => text !== '');
    yield { line, values: new Map(filled) };
  }
}

async function* readJsonLines(path: string, log: ProblemLog): AsyncGenerator<MetadataRow> {
  for await (const { number: line, text, isCut } of readLines(path)) {
    if (text.trim() === '') continue;
    const row = isCut ? 'the line is too long' : parseObject(text);
    if (typeof row === 'string') log.add({ kind: 'row', path, line, message: row });
    else yield { line, values: row };
  }
}

/** An object's own entries, or what is wrong with it. */
function parseObject(text: string): ReadonlyMap<string, unknown> | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `not valid JSON: ${error instanceof Error ? error.message : error}`;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return 'expected a JSON object';
  }
  return new Map(Object.entries(value).filter(([, entry]) => entry !== null));
}
