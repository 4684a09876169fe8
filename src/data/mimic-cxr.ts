import { join } from 'node:path';
import { readCsv } from './csv-rows.js';
import type { MimicCxrOptions } from './dataset-options.js';
import { namesIn } from './files.js';
import { applyLabelRules } from './labels.js';
import type { Layout, ParsedDatasetOptions } from './layout.js';
import { type LabelsOfStudy, readSplits, readStudyLabels } from './mimic-tables.js';
import { datasetError, type ProblemLog } from './problems.js';
import type { Draft } from './record.js';
import { readReportFile } from './report-file.js';
import { parseReport, type Report } from './report-sections.js';
import { parseView } from './values.js';

export type ParsedMimicOptions = ParsedDatasetOptions &
  Pick<MimicCxrOptions, 'format' | 'reports' | 'tables'> & {
    readonly labeler: 'chexpert' | 'negbio';
    readonly section: string;
  };

type Format = 'jpg' | 'dicom';

const ids = ['dicom_id', 'subject_id', 'study_id'];
const extensions: Readonly<Record<Format, readonly string[]>> = {
  jpg: ['.jpg'],
  dicom: ['.dcm', '.dcm.gz'],
};

/** MIMIC-CXR-JPG, or MIMIC-CXR in DICOM files; reports where their folder is known. */
export function mimicCxrLayout(root: string, options: ParsedMimicOptions): Layout {
  const { reports, tables = root, labeler } = options;
  return {
    name: 'mimic-cxr',
    hasReports: reports !== undefined || options.format !== 'jpg',
    describesLabels: true,
    section: options.section,
    publishedCounts: { records: 377_110, studies: 227_827 },
    async *drafts(log) {
      const names = await namesIn(tables);
      const metadata = findTable(names, 'metadata');
      const format = options.format ?? (metadata && tables === root ? 'jpg' : 'dicom');
      const folder = { root, format, reports: reports ?? (format === 'dicom' ? root : undefined) };
      if (!metadata) {
        yield* readRecordList(folder, options, log);
        return;
      }
      const table = (kind: string) => join(tables, requireTable(tables, names, kind));
      const labels = await readStudyLabels(table(labeler), log);
      const splits = await readSplits(table('split'), log);
      const path = join(tables, metadata);
      const required = [...ids, 'ViewPosition'];
      for await (const { line, get } of readCsv(path, { required }, log)) {
        const image = readImage(get);
        if (image) {
          const known = { view: parseView(get('ViewPosition')), split: splits.get(image.dicom) };
          yield toDraft(image, { folder, source: { path, line }, labels, known }, options);
        } else log.add(invalidIds(path, line));
      }
    },
  };
}

interface ImageIds {
  readonly subject: string;
  readonly study: string;
  readonly dicom: string;
}

/** Eight digits each, and five groups of eight hexadecimal digits: what becomes a path is no other. */
function readImage(get: (column: string) => string): ImageIds | undefined {
  const [dicom, subject, study] = ids.map((name) => get(name).trim()) as [string, string, string];
  const isValid =
    /^1\d{7}$/.test(subject) &&
    /^5\d{7}$/.test(study) &&
    /^[\da-f]{8}(-[\da-f]{8}){4}$/.test(dicom);
  return isValid ? { subject, study, dicom } : undefined;
}

function invalidIds(path: string, line: number) {
  const message =
    'expected 8 digits from 1 as subject_id, 8 digits from 5 as study_id and 5 groups of 8 hexadecimal digits as dicom_id';
  return { kind: 'row', path, line, message } as const;
}

interface Folder {
  readonly root: string;
  readonly format: Format;
  readonly reports: string | undefined;
}

interface Context {
  readonly folder: Folder;
  readonly source: Draft['source'];
  readonly labels?: LabelsOfStudy;
  readonly known?: Pick<Draft, 'view' | 'split'>;
}

function toDraft(
  { subject, study, dicom }: ImageIds,
  { folder, source, labels, known }: Context,
  options: ParsedMimicOptions,
): Draft {
  // files/p10/p10000032/s50414267/<dicom_id>.jpg, with the report beside the study's folder
  const studyPath = join('files', `p${subject.slice(0, 2)}`, `p${subject}`, `s${study}`);
  const images = join(folder.root, studyPath, dicom);
  const { reports } = folder;
  const report = reports && join(reports, `${studyPath}.txt`);
  const rules = { ...options, notPathologies: [] };
  return {
    ...known,
    keys: { patient: subject, study, image: dicom },
    source,
    imagePaths: extensions[folder.format].map((extension) => images + extension),
    labels: applyLabelRules(labels?.get(study) ?? {}, rules),
    report: report ? { path: report, read: () => readReport(report, study) } : undefined,
  };
}

async function readReport(path: string, study: string): Promise<Report> {
  return parseReport(await readReportFile(path), `s${study}`);
}

/** MIMIC-CXR alone: which images there are, with neither views nor labels, which are in other files. */
async function* readRecordList(
  folder: Folder,
  options: ParsedMimicOptions,
  log: ProblemLog,
): AsyncGenerator<Draft> {
  const names = await namesIn(folder.root);
  const list = names.find((name) => /^cxr-record-list\.csv(\.gz)?$/.test(name));
  if (!list || folder.format === 'jpg') {
    const expected = "MIMIC-CXR-JPG's metadata table or MIMIC-CXR's cxr-record-list.csv";
    throw datasetError(folder.root, `expected ${expected}, .csv or .csv.gz, found neither`);
  }
  const path = join(folder.root, list);
  for await (const { line, get } of readCsv(path, { required: ids }, log)) {
    const image = readImage(get);
    if (image) yield toDraft(image, { folder, source: { path, line } }, options);
    else log.add(invalidIds(path, line));
  }
}

/** `mimic-cxr-2.0.0-metadata.csv.gz`, in any version; unpacked ones come first. */
function findTable(names: readonly string[], kind: string): string | undefined {
  const pattern = new RegExp(`^mimic-cxr-[\\d.]+-${kind}\\.csv(\\.gz)?$`);
  return names.find((name) => pattern.test(name));
}

function requireTable(folder: string, names: readonly string[], kind: string): string {
  const name = findTable(names, kind);
  if (name) return name;
  throw datasetError(folder, `expected mimic-cxr-2.0.0-${kind}.csv or .csv.gz, which is not there`);
}
