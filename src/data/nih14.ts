import { join } from 'node:path';
import { readCsv } from './csv-rows.js';
import { isFile, isFolder, namesIn } from './files.js';
import { applyLabelRules } from './labels.js';
import type { Layout, ParsedDatasetOptions } from './layout.js';
import { readLines } from './lines.js';
import { datasetError, type ProblemLog } from './problems.js';
import type { Draft, FindingBox, Labels } from './record.js';
import { parseAge, parseSex, parseView } from './values.js';

/** In the order of the data set's paper. */
const findings = [
  'Atelectasis',
  'Cardiomegaly',
  'Effusion',
  'Infiltration',
  'Mass',
  'Nodule',
  'Pneumonia',
  'Pneumothorax',
  'Consolidation',
  'Edema',
  'Emphysema',
  'Fibrosis',
  'Pleural_Thickening',
  'Hernia',
] as const;

const required = [
  'Image Index',
  'Finding Labels',
  'Patient ID',
  'Patient Age',
  'Patient Gender',
  'View Position',
];

/**
 * The last two headings hold commas without quotes, so that a table that another program wrote can have
 * fewer names than fields. The columns that are read come before them.
 */
const minFields = 7;

/** NIH ChestX-ray14: `Data_Entry_2017_v2020.csv` and the images in `images_001` to `images_012`. */
export function nih14Layout(root: string, options: ParsedDatasetOptions): Layout {
  return {
    name: 'nih14',
    hasReports: false,
    describesLabels: true,
    publishedCounts,
    async *drafts(log) {
      const names = await namesIn(root);
      const table = names.filter((name) => /^Data_Entry_2017.*\.csv(\.gz)?$/.test(name)).at(-1);
      if (!table) throw datasetError(root, 'expected Data_Entry_2017_v2020.csv, found none');
      const testNames = await readTestNames(join(root, 'test_list.txt'));
      const boxes = await readBoxes(join(root, 'BBox_List_2017.csv'), log);
      const folders = await ImageFolders.of(root, names);
      const path = join(root, table);
      for await (const { line, get } of readCsv(path, { required, minFields }, log)) {
        const row = readRow(get);
        if ('invalid' in row) {
          log.add({ kind: 'row', path, line, message: row.invalid });
          continue;
        }
        const { image } = row.keys;
        yield {
          ...row,
          source: { path, line },
          imagePaths: folders.paths(image),
          findImage: () => folders.find(image),
          labels: applyLabelRules(row.labels, options),
          split: testNames && (testNames.has(image) ? 'test' : 'train'),
          boxes: boxes.get(image),
        };
      }
    },
  };
}

type Row = Pick<Draft, 'keys' | 'labels' | 'view' | 'sex' | 'age'>;

function readRow(get: (column: string) => string): Row | { readonly invalid: string } {
  const image = get('Image Index').trim();
  if (!/^[\w-]+\.(png|jpe?g)$/i.test(image)) {
    return { invalid: "expected an image file's name as 'Image Index'" };
  }
  const labels = readFindings(get('Finding Labels'));
  if (!labels) {
    const found = get('Finding Labels');
    return { invalid: `expected findings joined by | as 'Finding Labels', found '${found}'` };
  }
  return {
    // Each image is a study of its own: the table does not say which belong together.
    keys: { patient: get('Patient ID').trim(), study: image, image },
    labels,
    view: parseView(get('View Position')),
    sex: parseSex(get('Patient Gender')),
    age: parseAge(get('Patient Age')),
  };
}

/** The labels are binary: what is not named is negative. */
function readFindings(text: string): Labels | undefined {
  const names = text.split('|').map((name) => name.trim());
  if (!names.every((name) => name === 'No Finding' || isFinding(name))) return undefined;
  const all = [...findings, 'No Finding'];
  return Object.fromEntries(all.map((name) => [name, names.includes(name) ? 1 : 0]));
}

function isFinding(name: string): boolean {
  return (findings as readonly string[]).includes(name);
}

/** Undefined where the data set's split is not there. */
async function readTestNames(path: string): Promise<Set<string> | undefined> {
  if (!(await isFile(path))) return undefined;
  const names = new Set<string>();
  for await (const { text } of readLines(path)) names.add(text.trim());
  return names;
}

/** About a thousand boxes. Their columns are `Bbox [x,y,w,h]`, without quotes: they are read by position. */
async function readBoxes(path: string, log: ProblemLog): Promise<Map<string, FindingBox[]>> {
  const boxes = new Map<string, FindingBox[]>();
  if (!(await isFile(path))) return boxes;
  const shape = { required: ['Image Index', 'Finding Label'], minFields: 6 };
  for await (const { line, get, fields } of readCsv(path, shape, log)) {
    const [x = 0, y = 0, width = 0, height = 0] = fields.slice(2, 6).map(Number.parseFloat);
    const name = get('Finding Label').trim();
    const label = name === 'Infiltrate' ? 'Infiltration' : name;
    if (!isFinding(label) || ![x, y, width, height].every((value) => value >= 0)) {
      log.add({
        kind: 'row',
        path,
        line,
        message: 'expected a finding and its box, four numbers',
      });
      continue;
    }
    const image = get('Image Index').trim();
    boxes.set(image, [...(boxes.get(image) ?? []), { label, x, y, width, height }]);
  }
  return boxes;
}

/** The images lie in twelve folders; neighbours in the table are mostly in one. */
class ImageFolders {
  readonly #folders: readonly string[];
  #latest = 0;

  private constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  static async of(root: string, names: readonly string[]): Promise<ImageFolders> {
    const parts = names
      .filter((name) => /^images(_\d+)?$/.test(name))
      .map((name) => join(root, name));
    const candidates = [...parts.flatMap((part) => [join(part, 'images'), part]), root];
    const found: string[] = [];
    for (const folder of candidates) if (await isFolder(folder)) found.push(folder);
    return new ImageFolders(found);
  }

  /** The folder that the latest image was in comes first. */
  paths(name: string): string[] {
    const order = [...this.#folders.slice(this.#latest), ...this.#folders.slice(0, this.#latest)];
    return order.map((folder) => join(folder, name));
  }

  async find(name: string): Promise<string | undefined> {
    const start = this.#latest;
    for (const offset of this.#folders.keys()) {
      const index = (start + offset) % this.#folders.length;
      const path = join(this.#folders[index] ?? '', name);
      if (!(await isFile(path))) continue;
      this.#latest = index;
      return path;
    }
    return undefined;
  }
}

const positives: Readonly<Record<string, number>> = {
  'No Finding': 60_361,
  Infiltration: 19_894,
  Effusion: 13_317,
  Atelectasis: 11_559,
  Nodule: 6_331,
  Mass: 5_782,
  Pneumothorax: 5_302,
  Consolidation: 4_667,
  Pleural_Thickening: 3_385,
  Cardiomegaly: 2_776,
  Emphysema: 2_516,
  Edema: 2_303,
  Fibrosis: 1_686,
  Pneumonia: 1_431,
  Hernia: 227,
};

const publishedCounts: Readonly<Record<string, number>> = {
  records: 112_120,
  patients: 30_805,
  'view PA': 67_310,
  'view AP': 44_810,
  ...Object.fromEntries(
    Object.entries(positives).map(([name, count]) => [`${name} positive`, count]),
  ),
};
