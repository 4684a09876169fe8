import { dirname, join } from 'node:path';
import { isFile, namesIn, pathInside } from './files.js';
import { readFolderRow } from './folder-row.js';
import { applyLabelRules } from './labels.js';
import type { Layout, ParsedDatasetOptions } from './layout.js';
import { type MetadataRow, readMetadata } from './metadata-rows.js';
import { datasetError, type ProblemLog } from './problems.js';
import type { Draft } from './record.js';
import { parseSplit } from './values.js';

export type ParsedFolderOptions = ParsedDatasetOptions & { readonly columns: readonly string[] };

const metadataNames = ['metadata.jsonl', 'metadata.csv'];
const splits = new Set(['train', 'validation', 'test']);

/** Images with a `metadata.jsonl` or `metadata.csv`, in the folder or in one for each split. */
export function folderLayout(root: string, options: ParsedFolderOptions): Layout {
  return {
    name: 'folder',
    hasReports: true,
    describesLabels: false,
    async *drafts(log) {
      for (const table of await findTables(root)) {
        for await (const row of readMetadata(table.path, log)) {
          const draft = toDraft(row, table, options, log);
          if (draft) yield draft;
        }
      }
    },
  };
}

interface Table {
  readonly path: string;
  /** Where names of files begin. */
  readonly folder: string;
  /** Of the folder that the table stands in. */
  readonly split: string | undefined;
}

async function findTables(root: string): Promise<Table[]> {
  const names = await namesIn(root);
  const own = await findTable(root);
  if (own) return [{ path: own, folder: root, split: undefined }];
  const tables: Table[] = [];
  for (const name of names) {
    const split = parseSplit(name);
    const path = split && splits.has(split) && (await findTable(join(root, name)));
    if (path) tables.push({ path, folder: dirname(path), split });
  }
  if (tables.length > 0) return tables;
  const expected =
    'metadata.jsonl or metadata.csv here, or in folders called train, validation or test';
  throw datasetError(root, `expected ${expected}, found none`);
}

async function findTable(folder: string): Promise<string | undefined> {
  const paths = metadataNames.map((name) => join(folder, name));
  const found: string[] = [];
  for (const path of paths) if (await isFile(path)) found.push(path);
  if (found.length < 2) return found[0];
  throw datasetError(folder, 'expected metadata.jsonl or metadata.csv, found both: remove one');
}

function toDraft(
  row: MetadataRow,
  { path, folder, split }: Table,
  options: ParsedFolderOptions,
  log: ProblemLog,
): Draft | undefined {
  const read = readFolderRow(row.values, options.columns);
  const image = 'invalid' in read ? undefined : pathInside(folder, read.file);
  const mask = 'invalid' in read || !read.mask ? undefined : pathInside(folder, read.mask);
  if ('invalid' in read || !image || (read.mask && !mask)) {
    const message =
      'invalid' in read
        ? read.invalid
        : 'expected a path inside of the folder as file_name or mask';
    log.add({ kind: 'row', path, line: row.line, message });
    return undefined;
  }
  const { file, patient = file, study = file, labels, ...known } = read;
  // Two splits can have files of one name.
  const name = split === undefined ? file : `${split}/${file}`;
  return {
    ...known,
    mask,
    split: known.split ?? split,
    keys: {
      patient: patient === file ? name : patient,
      study: study === file ? name : study,
      image: name,
    },
    source: { path, line: row.line },
    imagePaths: [image],
    labels: applyLabelRules(labels, options),
  };
}
