import { Dataset, invalidArgument } from '../index.js';

/** What opens each kind of data set. */
const kinds: Readonly<Record<string, (path: string) => Dataset>> = {
  folder: (path) => Dataset.folder(path),
  chexpert: (path) => Dataset.chexpert(path),
  'mimic-cxr': (path) => Dataset.mimicCxr(path),
  nih14: (path) => Dataset.nih14(path),
  'open-i': (path) => Dataset.openI(path),
};

/** How a data set is named on the command line, for --help. */
export const datasetHelp = `<kind:folder>, the kind one of ${Object.keys(kinds).join(', ')}`;

/** `kind:folder`; a folder alone holds images and metadata.jsonl. */
export function openDataset(source: string): Dataset {
  const [, kind, path] = /^([a-z0-9-]+):(.+)$/.exec(source) ?? [];
  if (kind === undefined || path === undefined) return Dataset.folder(source);
  const open = kinds[kind];
  if (!open) throw invalidArgument('data set', `one of ${Object.keys(kinds).join(', ')}`, kind);
  return open(path);
}

/** Whether a source is a folder of images and metadata. */
export function isFolder(source: string): boolean {
  return !/^[a-z0-9-]+:./.test(source) || source.startsWith('folder:');
}

/** The records of one source, where a folder's metadata has the column `source` with several. */
export function openDatasetOf(path: string, source: string | undefined): Dataset {
  if (source === undefined) return openDataset(path);
  if (!isFolder(path))
    throw invalidArgument('--source', 'none beside a published data set', source);
  const folder = path.replace(/^folder:/, '');
  return Dataset.folder(folder, { columns: ['source'] }).filter(
    ({ columns }) => columns?.source === source,
  );
}

/** `name=what`; without a name, the last part of the path is it. */
export function named(text: string): { readonly name: string; readonly value: string } {
  const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return { name, value };
  const parts = text.split(/[/:]/).filter((part) => part !== '');
  return { name: parts.at(-1) ?? text, value: text };
}

/** For options that may be given several times. */
export function collect(text: string, earlier: readonly string[]): string[] {
  return [...earlier, text];
}
