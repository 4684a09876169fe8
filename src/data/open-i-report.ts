import { SaxesParser } from 'saxes';

/** What one of Open-i's XML files says. */
export interface OpenIReport {
  /** `CXR1` */
  readonly id: string;
  /** By their lower-case label: comparison, indication, findings, impression. */
  readonly sections: Readonly<Record<string, string>>;
  /** MeSH terms that a person chose: `Opacity/lung/base/left`, `normal`. */
  readonly major: readonly string[];
  /** MeSH terms that a program found. */
  readonly automatic: readonly string[];
  /** `CXR1_1_IM-0001-3001`: the file of this name, .png, is the image. */
  readonly images: readonly string[];
}

/** Elements whose text is kept, each in its one parent. */
const kept = new Set(['Abstract/AbstractText', 'MeSH/major', 'MeSH/automatic']);

/** Nothing in a report is nested so deeply. */
const maxDepth = 64;

/**
 * Reads a report. Entities that the file itself declares are not known to the parser, so none can grow.
 *
 * @throws Error with line and column for what is no XML, or no report.
 */
export function parseOpenIReport(xml: string): OpenIReport {
  const found = {
    id: '',
    major: [] as string[],
    automatic: [] as string[],
    images: [] as string[],
  };
  const sections = new Map<string, string>();
  const open: { readonly name: string; readonly label: string }[] = [];
  let text = '';
  const place = () =>
    open
      .slice(-2)
      .map(({ name }) => name)
      .join('/');
  const parser = new SaxesParser();
  parser.on('opentag', ({ name, attributes }) => {
    if (open.length >= maxDepth) throw new Error(`nested more than ${maxDepth} levels deep`);
    open.push({ name, label: attributes.Label ?? '' });
    const { id = '' } = attributes;
    if (place() === 'eCitation/uId') found.id = id;
    if (place() === 'eCitation/parentImage') found.images.push(id);
    text = '';
  });
  parser.on('text', (piece) => {
    if (kept.has(place())) text += piece;
  });
  parser.on('closetag', () => {
    const content = text.trim().replace(/\s+/g, ' ');
    const element = kept.has(place()) && content !== '' ? open.at(-1) : undefined;
    if (element?.name === 'AbstractText') {
      const name = element.label.trim().toLowerCase();
      sections.set(name, [sections.get(name), content].filter(Boolean).join(' '));
    }
    if (element?.name === 'major') found.major.push(content);
    if (element?.name === 'automatic') found.automatic.push(content);
    open.pop();
    text = '';
  });
  parser.write(xml).close();
  if (found.id === '') throw new Error('expected eCitation with a uId, found none');
  return { ...found, sections: Object.fromEntries(sections) };
}
