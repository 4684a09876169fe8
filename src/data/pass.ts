import { describeLabels } from './captions.js';
import { isFile } from './files.js';
import { inOrder } from './in-order.js';
import type { Layout, ParsedDatasetOptions } from './layout.js';
import { type ProblemLog, reasonOf } from './problems.js';
import { type Draft, opaqueId, type ReportRecord } from './record.js';
import { type Report, textOfSection } from './report-sections.js';

/** What is read in one pass: a record for each image, or one for each report. */
export type PassKind = 'images' | 'reports';

/** One reading of a data set. */
export interface Pass {
  readonly kind: PassKind;
  readonly layout: Layout;
  readonly options: ParsedDatasetOptions;
  readonly log: ProblemLog;
  /** The section of reports that is the text; the layout's own by default. */
  readonly section?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A record on its way through filters and samples. Its report is read when it has passed them. */
export interface Item {
  readonly draft: Draft;
  /** The image's path; '' in a pass over reports. */
  readonly image: string;
  /** Reads the report, once. */
  record(): Promise<ReportRecord>;
}

/** What a filter, a sample or a split does to the records that come before it. */
export type Step = (items: AsyncIterable<Item>, pass: Pass) => AsyncIterable<Item>;

/** Looking for a file is waiting, not work. */
const looksAtOnce = 64;

/** The records of a pass, through all steps. */
export async function* itemsOf(pass: Pass, steps: readonly Step[]): AsyncGenerator<Item> {
  const source = pass.kind === 'images' ? itemsWithImage(pass) : itemsWithReport(pass);
  const items = steps.reduce<AsyncIterable<Item>>((before, step) => step(before, pass), source);
  for await (const item of items) yield item;
}

/** What two records of one pass may not have in common: the image, or the study. */
export function keyOf({ draft }: Item, { kind }: Pass): string {
  return kind === 'images' ? draft.keys.image : draft.keys.study;
}

async function* itemsWithImage(pass: Pass): AsyncGenerator<Item> {
  const found = inOrder(pass.layout.drafts(pass.log), looksAtOnce, async (draft) => {
    const image = await findImage(draft, pass);
    return image === undefined ? undefined : toItem(draft, image, pass);
  });
  for await (const item of found) {
    pass.signal?.throwIfAborted();
    if (item) yield item;
  }
}

async function* itemsWithReport(pass: Pass): AsyncGenerator<Item> {
  for await (const draft of pass.layout.drafts(pass.log)) {
    pass.signal?.throwIfAborted();
    yield toItem(draft, '', pass);
  }
}

async function findImage(draft: Draft, { options, log }: Pass): Promise<string | undefined> {
  const [likeliest] = draft.imagePaths;
  if (!options.checkImages || likeliest === undefined) return likeliest;
  const found = await (draft.findImage ?? (() => firstFile(draft.imagePaths)))();
  if (found === undefined) {
    log.add({ kind: 'image', ...draft.source, message: 'the image is missing', image: likeliest });
  }
  return found;
}

async function firstFile(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await isFile(path)) return path;
  return undefined;
}

function toItem(draft: Draft, image: string, pass: Pass): Item {
  return { draft, image, record: once(() => completeRecord(draft, pass)) };
}

/** Remembers what `read` gave. */
export function once<Result>(read: () => Promise<Result>): () => Promise<Result> {
  let result: Promise<Result> | undefined;
  return () => {
    result ??= read();
    return result;
  };
}

async function completeRecord(draft: Draft, pass: Pass): Promise<ReportRecord> {
  const { keys, source, imagePaths, findImage, report: reportFile, text, ...known } = draft;
  const { layout, options } = pass;
  const report = await readReport(draft, pass);
  const id = (kind: 'patient' | 'study' | 'image') => opaqueId(layout.name, kind, keys[kind]);
  return {
    id: id(pass.kind === 'images' ? 'image' : 'study'),
    patient: id('patient'),
    study: id('study'),
    text: textOf(draft, report, pass),
    ...withoutUndefined(known),
    labels: known.labels,
    ...(report && { report }),
    ...(options.identifiers && { identifiers: keys }),
  };
}

function textOf(draft: Draft, report: Report | undefined, pass: Pass): string {
  const { layout, section = layout.section ?? 'conclusion' } = pass;
  if (report) return textOfSection(report, section);
  // A text that is no report has no sections.
  if (pass.section !== undefined && section !== 'conclusion') return '';
  if (draft.text !== undefined || draft.report) return draft.text ?? '';
  return layout.describesLabels ? describeLabels(draft) : '';
}

async function readReport({ report }: Draft, { log }: Pass): Promise<Report | undefined> {
  if (!report) return undefined;
  try {
    return await report.read();
  } catch (error) {
    const message = `the report could not be read: ${reasonOf(error)}`;
    log.add({ kind: 'report', path: report.path, message });
    return undefined;
  }
}

function withoutUndefined<Fields extends object>(fields: Fields): Fields {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Fields;
}
