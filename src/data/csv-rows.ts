import { type Line, readLines } from './lines.js';
import { datasetError, type ProblemLog } from './problems.js';

/** A row of a table whose first line names the columns. */
export interface CsvRow {
  /** Where the row begins, from 1. */
  readonly line: number;
  /** The names in the first line. */
  readonly columns: readonly string[];
  /** The value of a column; '' where the row has none. */
  get(column: string): string;
  /** In the order of the file. */
  readonly fields: readonly string[];
}

/** What a table must have. */
export interface CsvShape {
  /** Columns without which the table is of no use. */
  readonly required: readonly string[];
  /** Rows may have other numbers of fields than the header, but no fewer than this. */
  readonly minFields?: number;
}

/**
 * The rows of a CSV file (RFC 4180, comma, quotes doubled), .gz or not, one at a time. A malformed row is a
 * problem, and the next line is read as if it were not there: csv-parse would take the rest of the file for
 * the inside of the quotes.
 *
 * @throws LatentrayError `ERR_DATASET` when the file cannot be read, or lacks a column.
 */
export async function* readCsv(
  path: string,
  { required, minFields }: CsvShape,
  log: ProblemLog,
): AsyncGenerator<CsvRow> {
  let header: readonly string[] | undefined;
  let columns = new Map<string, number>();
  for await (const { line, fields } of readRecords(path, log)) {
    if (!header) {
      header = fields.map((name) => name.trim());
      columns = indexColumns(path, header, required);
      continue;
    }
    const fits =
      minFields === undefined ? fields.length === header.length : fields.length >= minFields;
    if (fits) {
      const indices = columns;
      const get = (column: string) => fields[indices.get(column) ?? -1] ?? '';
      yield { line, fields, columns: header, get };
    } else {
      const message = `expected ${minFields ?? header.length} fields, found ${fields.length}`;
      log.add({ kind: 'row', path, line, message });
    }
  }
  if (!header) throw datasetError(path, `expected columns ${list(required)}, found no line`);
}

function indexColumns(path: string, names: readonly string[], required: readonly string[]) {
  const columns = new Map(names.map((name, index) => [name, index]));
  const missing = required.filter((name) => !columns.has(name));
  if (missing.length > 0) {
    const message = `expected the columns ${list(missing)} too, found ${list(names)}`;
    throw datasetError(path, message, { line: 1 });
  }
  const twice = names.find((name, index) => name !== '' && columns.get(name) !== index);
  if (twice === undefined) return columns;
  throw datasetError(path, `the column '${twice}' is there twice`, { line: 1 });
}

function list(names: readonly string[]): string {
  const text = names.join(', ');
  return text.length > 300 ? `${text.slice(0, 300)} …` : text;
}

interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/** Quoted fields may hold line ends: a record spans at most so many lines. */
const maxLinesPerRecord = 256;

async function* readRecords(path: string, log: ProblemLog): AsyncGenerator<CsvRecord> {
  for await (const lines of recordCandidates(path)) {
    const [first] = lines as [Line];
    const text = lines.map((line) => line.text).join('\n');
    if (text.trim() === '') continue;
    const fields = lines.some((line) => line.isCut) ? 'the line is too long' : splitFields(text);
    if (typeof fields === 'string')
      log.add({ kind: 'row', path, line: first.number, message: fields });
    else yield { line: first.number, fields };
  }
}

/**
 * The lines of one record after the other. Where quotes stay open, or the joined lines are no record, the
 * first line is on its own.
 */
async function* recordCandidates(path: string): AsyncGenerator<readonly Line[]> {
  const source = readLines(path);
  const waiting: Line[] = [];
  const lineAt = async (index: number) => {
    while (waiting.length <= index) {
      const { value, done } = await source.next();
      if (done) return undefined;
      waiting.push(
        value.number === 1 ? { ...value, text: value.text.replace(/^\uFEFF/, '') } : value,
      );
    }
    return waiting[index];
  };
  try {
    for (let first = await lineAt(0); first; first = await lineAt(0)) {
      const count = hasOddQuotes(first.text) ? await linesOfRecord(lineAt) : 1;
      yield waiting.splice(0, count);
    }
  } finally {
    await source.return(undefined);
  }
}

async function linesOfRecord(lineAt: (index: number) => Promise<Line | undefined>) {
  const lines: string[] = [];
  for (let index = 0; index < maxLinesPerRecord; ++index) {
    const line = await lineAt(index);
    if (!line || line.isCut) return 1;
    lines.push(line.text);
    if (index === 0 || !hasOddQuotes(line.text)) continue;
    return typeof splitFields(lines.join('\n')) === 'string' ? 1 : lines.length;
  }
  return 1;
}

function hasOddQuotes(text: string): boolean {
  let isOdd = false;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) isOdd = !isOdd;
  return isOdd;
}

/** One field, quoted or not, and what ends it. */
const field = /(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(,|$)/y;

/** The fields of a record, or what is wrong with it. */
function splitFields(text: string): string[] | string {
  if (!text.includes('"')) return text.split(',');
  const fields: string[] = [];
  field.lastIndex = 0;
  for (;;) {
    const start = field.lastIndex;
    const match = field.exec(text);
    if (!match)
      return `a quote is out of place in field ${fields.length + 1}, character ${start + 1}`;
    const [, quoted, plain = '', end] = match;
    fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === '') return fields;
  }
}
