// The rules are those by which MIT-LCP sections the reports of MIMIC-CXR (mimic-cxr, txt/section_parser.py and
// txt/create_section_files.py), so that a section here is the section that others train on.

import {
  conclusionRanges,
  conclusionSections,
  normaliseSectionName,
} from './mimic-section-names.js';

/** A radiology report, taken apart. */
export interface Report {
  /** The text that says what was found: impression, else findings, last paragraph, comparison; else ''. */
  readonly conclusion: string;
  /** Each section's text under its normalised name; of several with one name the last. */
  readonly sections: Readonly<Record<string, string>>;
}

interface Section {
  readonly name: string;
  readonly text: string;
}

/** A line that begins with one space and a heading in capitals. */
const heading = /\n ([A-Z ()/,-]+):\s/g;

const conclusions = ['impression', 'findings', 'last_paragraph', 'comparison'];

/**
 * Takes a report of MIMIC-CXR's form apart.
 *
 * @param text - The whole file.
 * @param study - The study's name (`s50414267`): for 54 reports that no rule fits, the place of the
 *   conclusion is on record.
 */
export function parseReport(text: string, study = ''): Report {
  const report = text.replace(/\r\n?/g, '\n');
  const range = conclusionRanges.get(study);
  if (range) return { conclusion: report.slice(...range).trim(), sections: {} };
  const sections = withLastParagraph(withoutEmptyConclusions(splitAtHeadings(report)));
  const named = conclusionSections.get(study);
  const byName = Object.fromEntries(sections.map(({ name, text }) => [name, text.trim()]));
  const conclusion = named === undefined ? undefined : byName[named];
  return { conclusion: conclusion ?? chooseConclusion(byName), sections: byName };
}

/** The first that there is of impression, findings, last paragraph and comparison. */
export function chooseConclusion(sections: Readonly<Record<string, string>>): string {
  const name = conclusions.find((each) => Object.hasOwn(sections, each));
  return (name === undefined ? undefined : sections[name]) ?? '';
}

/** `'conclusion'`, or a section by its name. */
export function textOfSection(report: Report, section: string): string {
  if (section === 'conclusion') return report.conclusion;
  return (Object.hasOwn(report.sections, section) ? report.sections[section] : undefined) ?? '';
}

function splitAtHeadings(report: string): Section[] {
  let match = headingAfter(report, 0);
  if (!match) return [{ name: 'full report', text: report }];
  const sections: Section[] = [{ name: 'preamble', text: report.slice(0, match.index + 2) }];
  while (match) {
    const [whole, title = ''] = match;
    const start = match.index + whole.length;
    // What follows on the heading's own line is never taken for the next heading.
    const lineEnd = report.indexOf('\n', start);
    const next = headingAfter(report, lineEnd < 0 ? start : lineEnd);
    sections.push({ name: normaliseSectionName(title), text: report.slice(start, next?.index) });
    match = next;
  }
  return sections;
}

function headingAfter(report: string, start: number): RegExpExecArray | null {
  heading.lastIndex = start;
  return heading.exec(report);
}

/** A title such as "CHEST, TWO VIEWS:" has no text of its own, and of two findings one is often empty. */
function withoutEmptyConclusions(sections: readonly Section[]): Section[] {
  return sections.filter(
    ({ name, text }) => !['impression', 'findings'].includes(name) || text.trim() !== '',
  );
}

/** Where no heading names the conclusion, it is what follows the last section's first paragraph. */
function withLastParagraph(sections: readonly Section[]): readonly Section[] {
  const last = sections.at(-1);
  const isNamed = sections.some(({ name }) => name === 'impression' || name === 'findings');
  if (isNamed || !last?.text.includes('\n \n')) return sections;
  const [first = '', ...rest] = last.text.split('\n \n');
  return [
    ...sections.slice(0, -1),
    { ...last, text: first },
    { name: 'last_paragraph', text: rest.join('\n \n') },
  ];
}
