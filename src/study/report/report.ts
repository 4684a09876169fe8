import type { Image } from '../../index.js';

/** A figure, a word, or nothing: what was not measured. */
export type CellValue = number | string | null;

/** What a column holds. */
export interface Column {
  readonly name: string;
  /** Digits behind the point, for numbers. @default 3 */
  readonly digits?: number;
}

/** Figures that can be sorted by any column. */
export interface TableSection {
  readonly kind: 'table';
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly CellValue[])[];
  /** Of how many images or texts the figures are. */
  readonly n: string;
  /** In plain words, what the figures do not say. */
  readonly caveat: string;
}

/** A specification of Vega-Lite with its data. */
export type PlotSpec = Readonly<Record<string, unknown>>;

/** A plot, drawn when the report is made. */
export interface PlotSection {
  readonly kind: 'plot';
  readonly title: string;
  /** What the plot shows, for those who cannot see it. */
  readonly description: string;
  /** Of width and height; drawn once for wide windows and once for narrow ones. */
  readonly spec: (width: number) => PlotSpec;
  readonly n: string;
  readonly caveat: string;
}

/** Images in rows and columns, each of which enlarges. */
export interface GridSection {
  readonly kind: 'grid';
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly GridRow[];
  readonly n: string;
  readonly caveat: string;
}

export interface GridRow {
  readonly label: string;
  /** One for each column; null where there is none. */
  readonly images: readonly (Image | null)[];
}

/** Paragraphs of plain text. */
export interface ProseSection {
  readonly kind: 'prose';
  readonly title: string;
  readonly paragraphs: readonly string[];
}

export type Section = TableSection | PlotSection | GridSection | ProseSection;

/** What one page says. */
export interface Report {
  readonly title: string;
  /** What was asked, and of what. */
  readonly summary: string;
  /** What must be seen first: random weights, measures that are missing. */
  readonly notices: readonly string[];
  readonly sections: readonly Section[];
  /** Everything that the figures follow from: options, seeds, digests, versions. */
  readonly configuration: Readonly<Record<string, unknown>>;
}
