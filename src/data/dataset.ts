import { invalidArgument } from '../errors.js';
import { fitImage } from '../image/fit-images.js';
import { Image } from '../image/image.js';
import type { JobOptions } from '../native/addon.js';
import { checkPath, jobOptions, parseOptions } from '../parse-options.js';
import { chexpertLayout } from './chexpert.js';
import {
  type DatasetOptions,
  datasetOptions,
  type FolderOptions,
  folderOptions,
  type MimicCxrOptions,
  mimicCxrOptions,
  type OpenIOptions,
  openIOptions,
} from './dataset-options.js';
import { filterStep, type RecordFilter, type RecordPredicate, recordFilter } from './filters.js';
import { folderLayout } from './folder.js';
import { inOrder } from './in-order.js';
import type { Layout, ParsedDatasetOptions } from './layout.js';
import { mimicCxrLayout } from './mimic-cxr.js';
import { nih14Layout } from './nih14.js';
import { openILayout } from './open-i.js';
import { type Item, itemsOf, once, type Pass, type PassKind, type Step } from './pass.js';
import { type ProblemCounts, ProblemLog, reasonOf } from './problems.js';
import {
  type DatasetImage,
  type DatasetImageOptions,
  fractions,
  imageOptions,
  type ReportOptions,
  reportOptions,
  type SeedOptions,
  seedOptions,
} from './reading-options.js';
import type { DatasetRecord, ReportRecord } from './record.js';
import { partStep, sampleStep } from './sampling.js';
import { compareWithPublished, type SelfTest } from './self-test.js';
import { type DatasetSummary, summarise } from './summary.js';

/** Decoding runs in libuv's pool, which has four threads. */
const decodesAtOnce = 4;

/**
 * Radiographs with what is known of them. Nothing is read before it is iterated over, and each iteration
 * reads anew, record by record. What cannot be used is left out, told of and counted. A `Dataset` never
 * changes: `filter`, `sample`, `split` and `withText` give another one over the same files.
 */
export class Dataset implements AsyncIterable<DatasetRecord> {
  readonly #layout: Layout;
  readonly #options: ParsedDatasetOptions;
  readonly #steps: readonly Step[];
  #latest: ProblemLog | undefined;

  private constructor(layout: Layout, options: ParsedDatasetOptions, steps: readonly Step[] = []) {
    this.#layout = layout;
    this.#options = options;
    this.#steps = steps;
  }

  /**
   * CheXpert v1.0, full or small. The text is a sentence of what the table says.
   *
   * @param root - `CheXpert-v1.0` or `CheXpert-v1.0-small`, the folder with `train.csv`.
   */
  static chexpert(root: string, options?: DatasetOptions): Dataset {
    checkPath(root, 'root');
    const parsed = parseOptions(datasetOptions, options, 'Dataset.chexpert');
    return new Dataset(chexpertLayout(root, parsed), parsed);
  }

  /**
   * MIMIC-CXR-JPG or MIMIC-CXR, its tables as .csv or .csv.gz. With reports, the text is their conclusion;
   * without, a sentence of what the tables say. DICOM files are given by their path.
   *
   * @param root - The folder with `files`.
   */
  static mimicCxr(root: string, options?: MimicCxrOptions): Dataset {
    checkPath(root, 'root');
    const parsed = parseOptions(mimicCxrOptions, options, 'Dataset.mimicCxr');
    return new Dataset(mimicCxrLayout(root, parsed), parsed);
  }

  /**
   * NIH ChestX-ray14. The text is a sentence of what the table says.
   *
   * @param root - The folder with `Data_Entry_2017_v2020.csv`.
   */
  static nih14(root: string, options?: DatasetOptions): Dataset {
    checkPath(root, 'root');
    const parsed = parseOptions(datasetOptions, options, 'Dataset.nih14');
    return new Dataset(nih14Layout(root, parsed), parsed);
  }

  /**
   * Open-i's Indiana University collection. The text is the report's conclusion. The reports name no view.
   *
   * @param root - The folder with `ecgen-radiology`, or with the XML files themselves.
   */
  static openI(root: string, options?: OpenIOptions): Dataset {
    checkPath(root, 'root');
    const parsed = parseOptions(openIOptions, options, 'Dataset.openI');
    return new Dataset(openILayout(root, parsed), parsed);
  }

  /**
   * Images with `metadata.jsonl` or `metadata.csv`, as Hugging Face's imagefolder has them: `file_name`, and
   * where there are `text`, `labels`, `split`, `view`, `sex`, `age`, `patient_id`, `study_id`, `weight`, `mask`.
   *
   * @param root - The folder with the metadata, or with one folder for each split.
   */
  static folder(root: string, options?: FolderOptions): Dataset {
    checkPath(root, 'root');
    const parsed = parseOptions(folderOptions, options, 'Dataset.folder');
    return new Dataset(folderLayout(root, parsed), parsed);
  }

  /** What could not be used in the latest pass over this data set, so far. */
  get problems(): ProblemCounts {
    return this.#latest?.counts ?? { rows: 0, images: 0, reports: 0 };
  }

  /** The records that a filter describes, or that a predicate is true for. */
  filter(filter: RecordFilter | RecordPredicate): Dataset {
    const parsed =
      typeof filter === 'function' ? filter : parseOptions(recordFilter, filter, 'filter');
    return this.#with(filterStep(parsed));
  }

  /**
   * A random sample in random order. It is the same on every machine, whatever order the tables are in, and
   * `sample(10)` is the beginning of `sample(20)`. Only the sample is held in memory.
   *
   * @param count - How many records; all of them, where there are fewer.
   */
  sample(count: number, options?: SeedOptions): Dataset {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw invalidArgument('count', 'a whole number from 1', count);
    }
    return this.#with(sampleStep(count, parseOptions(seedOptions, options, 'sample').seed));
  }

  /**
   * Parts of which no patient is in two. Each patient falls into a part by a hash, so that a part stays as it
   * is when the data set grows; its size is the fraction of the patients, about.
   *
   * @param parts - Fractions by name, such as `{ train: 0.8, validation: 0.1, test: 0.1 }`; not more than 1 in all.
   */
  split<Part extends string>(
    parts: Readonly<Record<Part, number>>,
    options?: SeedOptions,
  ): Record<Part, Dataset> {
    const sizes = Object.entries(parseOptions(fractions, parts, 'split'));
    const { seed } = parseOptions(seedOptions, options, 'split');
    const total = sizes.reduce((sum, [, size]) => sum + size, 0);
    if (sizes.length === 0 || total > 1 + 1e-9) {
      throw invalidArgument('parts', 'fractions that add up to 1 at most', total);
    }
    let from = 0;
    const made = sizes.map(([name, size]) => {
      const range = { from, to: from + size, seed };
      from = range.to;
      return [name, this.#with(partStep(name, range))] as const;
    });
    return Object.fromEntries(made) as Record<Part, Dataset>;
  }

  /** The same records with texts of your own. */
  withText(write: (record: ReportRecord) => string): Dataset {
    if (typeof write !== 'function') throw invalidArgument('write', 'a function', write);
    const rewrite = async (item: Item) => {
      const record = await item.record();
      const text = write(record);
      if (typeof text !== 'string')
        throw invalidArgument('write', 'a function that returns a string', text);
      return { ...record, text };
    };
    return this.#with(async function* rewritten(items) {
      for await (const item of items) yield { ...item, record: once(() => rewrite(item)) };
    });
  }

  /** The records, one for each image; pixels are not read. */
  async *[Symbol.asyncIterator](): AsyncGenerator<DatasetRecord> {
    for await (const item of this.#items('images')) yield await imageRecord(item);
  }

  /**
   * The records with their images, a few of which are decoded ahead.
   *
   * @throws LatentrayError `ERR_DATASET` at the first problem where the data set is strict.
   */
  async *images(options?: DatasetImageOptions): AsyncGenerator<DatasetImage> {
    const { size, fit, signal } = parseOptions(imageOptions, options, 'images');
    const pass = this.#pass('images', { signal });
    const read = async (item: Item): Promise<DatasetImage | undefined> => {
      const image = await readImage(item, pass);
      if (!image) return undefined;
      const fitted = size
        ? await fitImage(image, { width: size, height: size, fit, signal })
        : image;
      return { record: await imageRecord(item), image: fitted };
    };
    for await (const result of inOrder(itemsOf(pass, this.#steps), decodesAtOnce, read)) {
      signal?.throwIfAborted();
      if (result) yield result;
    }
  }

  /**
   * One record for each report that has the section, whose `text` it is; images are not looked for.
   *
   * @throws LatentrayError `ERR_INVALID_ARG` for a data set that has no reports.
   */
  async *reports(options?: ReportOptions): AsyncGenerator<ReportRecord> {
    const { section, signal } = parseOptions(reportOptions, options, 'reports');
    if (!this.#layout.hasReports) {
      throw invalidArgument('reports', 'a data set with reports', this.#layout.name);
    }
    const seen = new Set<string>();
    for await (const item of itemsOf(this.#pass('reports', { section, signal }), this.#steps)) {
      if (seen.has(item.draft.keys.study)) continue;
      seen.add(item.draft.keys.study);
      const record = await item.record();
      if (record.text !== '') yield record;
    }
  }

  /** Counts records, patients, studies, views, sexes and labels, as a whole and by split. */
  async summary(options?: JobOptions): Promise<DatasetSummary> {
    const pass = this.#pass('images', parseOptions(jobOptions, options, 'summary'));
    const counted = await summarise(itemsOf(pass, this.#steps));
    return { ...counted, problems: pass.log.counts };
  }

  /**
   * Compares the whole data set with the figures that were published of it. Use a data set without options
   * that change labels.
   *
   * @throws LatentrayError `ERR_INVALID_ARG` where there are no published figures: a folder.
   */
  async selfTest(options?: JobOptions): Promise<SelfTest> {
    const { signal } = parseOptions(jobOptions, options, 'selfTest');
    return compareWithPublished(this.#pass('images', { signal }));
  }

  #with(step: Step): Dataset {
    return new Dataset(this.#layout, this.#options, [...this.#steps, step]);
  }

  #items(kind: PassKind): AsyncIterable<Item> {
    return itemsOf(this.#pass(kind, {}), this.#steps);
  }

  #pass(kind: PassKind, rest: Pick<Pass, 'section' | 'signal'>): Pass {
    const log = new ProblemLog(this.#options);
    this.#latest = log;
    return { ...rest, kind, layout: this.#layout, options: this.#options, log };
  }
}

async function imageRecord({ image, record }: Item): Promise<DatasetRecord> {
  return { ...(await record()), image };
}

async function readImage({ image }: Item, { log, signal }: Pass): Promise<Image | undefined> {
  try {
    return await Image.read(image, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    const message = `the image could not be read: ${reasonOf(error)}`;
    log.add({ kind: 'image', path: image, message, image });
    return undefined;
  }
}
