import { join } from 'node:path';
import type { OpenIOptions } from './dataset-options.js';
import { isFolder, namesIn } from './files.js';
import { applyLabelRules } from './labels.js';
import type { Layout, ParsedDatasetOptions } from './layout.js';
import { type OpenIReport, parseOpenIReport } from './open-i-report.js';
import { datasetError, type ProblemLog, reasonOf } from './problems.js';
import type { Draft, Labels } from './record.js';
import { readReportFile } from './report-file.js';
import { chooseConclusion } from './report-sections.js';

export type ParsedOpenIOptions = ParsedDatasetOptions &
  Pick<OpenIOptions, 'images'> & { readonly section: string };

/** Labels, and the words in a MeSH term that stand for each. */
const termsOfLabel: Readonly<Record<string, readonly string[]>> = {
  Atelectasis: ['atelectasis', 'atelectases'],
  Consolidation: ['consolidation'],
  Infiltration: ['infiltration', 'infiltrate'],
  Pneumothorax: ['pneumothorax'],
  Edema: ['edema'],
  Emphysema: ['emphysema'],
  Fibrosis: ['fibrosis'],
  Effusion: ['effusion'],
  Pneumonia: ['pneumonia'],
  Pleural_Thickening: ['pleural_thickening', 'pleural thickening'],
  Cardiomegaly: ['cardiomegaly'],
  Nodule: ['nodule'],
  Mass: ['mass'],
  Hernia: ['hernia'],
  'Lung Lesion': ['lung lesion'],
  Fracture: ['fracture'],
  'Lung Opacity': ['lung opacity'],
  'Enlarged Cardiomediastinum': ['enlarged cardiomediastinum'],
};

/** Open-i's Indiana University collection: `ecgen-radiology/*.xml`, and PNG files named in them. */
export function openILayout(root: string, options: ParsedOpenIOptions): Layout {
  return {
    name: 'open-i',
    hasReports: true,
    describesLabels: true,
    section: options.section,
    publishedCounts: {
      records: 7_470,
      reports: 3_955,
      'reports without an image': 104,
      'reports with findings': 3_425,
      'reports with impression': 3_921,
    },
    async *drafts(log) {
      const folder = await firstFolder(root, ['ecgen-radiology', 'NLMCXR_reports/ecgen-radiology']);
      const images = options.images ?? (await firstFolder(root, ['NLMCXR_png', 'images']));
      const files = (await namesIn(folder)).filter((name) => name.endsWith('.xml'));
      if (files.length === 0)
        throw datasetError(folder, 'expected the reports of Open-i, found no .xml file');
      // By number: 2.xml comes before 10.xml.
      files.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
      for (const file of files) {
        const path = join(folder, file);
        const report = await readReport(path, log);
        if (report) yield* draftsOf(report, { path, images, log }, options);
      }
    },
  };
}

async function firstFolder(root: string, names: readonly string[]): Promise<string> {
  for (const name of names) if (await isFolder(join(root, name))) return join(root, name);
  return root;
}

async function readReport(path: string, log: ProblemLog): Promise<OpenIReport | undefined> {
  try {
    return parseOpenIReport(await readReportFile(path));
  } catch (error) {
    // The parser's messages begin with line:column.
    const text = reasonOf(error);
    const [, line, message = text] = /^(\d+):\d+: (.*)$/s.exec(text) ?? [];
    log.add({ kind: 'report', path, ...(line && { line: Number(line) }), message });
    return undefined;
  }
}

interface Place {
  readonly path: string;
  /** The folder of the images. */
  readonly images: string;
  readonly log: ProblemLog;
}

function* draftsOf(
  report: OpenIReport,
  { path, images, log }: Place,
  options: ParsedOpenIOptions,
): Generator<Draft> {
  const { id, sections } = report;
  const parsed = { conclusion: chooseConclusion(sections), sections };
  const common = {
    source: { path },
    labels: applyLabelRules(labelsOf(report), options),
    report: { path, read: async () => parsed },
  };
  // The collection does not say which reports are of one patient.
  const keys = { patient: id, study: id };
  if (report.images.length === 0) yield { ...common, keys: { ...keys, image: '' }, imagePaths: [] };
  for (const image of report.images) {
    const file = join(images, `${image}.png`);
    if (/^[\w.-]+$/.test(image)) yield { ...common, keys: { ...keys, image }, imagePaths: [file] };
    else
      log.add({
        kind: 'report',
        path,
        message: "expected a file's name as parentImage's id",
      });
  }
}

/** torchxrayvision's rule: a label whose word is in an automatic term; "normal" was chosen by a person. */
function labelsOf({ major, automatic }: OpenIReport): Labels {
  const terms = automatic.map((term) => term.toLowerCase());
  const entries = Object.entries(termsOfLabel).map(
    ([label, words]) =>
      [label, terms.some((term) => words.some((word) => term.includes(word))) ? 1 : 0] as const,
  );
  const isNormal = major.some((term) => term.toLowerCase() === 'normal');
  return Object.fromEntries([...entries, ['No Finding', isNormal ? 1 : 0]]);
}
