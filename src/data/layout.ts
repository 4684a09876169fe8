import type { DatasetOptions } from './dataset-options.js';
import type { ProblemLog } from './problems.js';
import type { Draft } from './record.js';

/** What a loader of one kind of data set gives. */
export interface Layout {
  /** Keeps the identifiers of different data sets apart, and opens messages. */
  readonly name: string;
  /** Whether its records have a report each. */
  readonly hasReports: boolean;
  /** Whether a sentence of the labels stands in for a text that is not there. */
  readonly describesLabels: boolean;
  /** The section of a report that is a record's text. */
  readonly section?: string;
  /** Figures that the whole, unchanged data set has, by the names that `selfTest` gives them. */
  readonly publishedCounts?: Readonly<Record<string, number>>;
  /** The records in the order of the data set. */
  drafts(log: ProblemLog): AsyncIterable<Draft>;
}

/** Makes the layout under the options that every loader takes. */
export type MakeLayout = (options: ParsedDatasetOptions) => Layout;

/** Options with their defaults. */
export type ParsedDatasetOptions = Required<Omit<DatasetOptions, 'onProblem'>> &
  Pick<DatasetOptions, 'onProblem'>;
