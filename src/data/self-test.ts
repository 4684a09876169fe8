import { invalidArgument } from '../errors.js';
import { type Item, itemsOf, type Pass } from './pass.js';
import type { ProblemCounts } from './problems.js';
import { type DatasetSummary, type PartSummary, summarise } from './summary.js';

/** One figure of the whole data set as it was published, and what is on the disk. */
export interface CountComparison {
  /** `'records'`, `'view PA'`, `'train: Edema uncertain'` … */
  readonly what: string;
  readonly expected: number;
  readonly found: number;
}

/** How a data set on the disk compares with the one that was published. */
export interface SelfTest {
  /** Whether every figure is the published one and there were no problems. */
  readonly ok: boolean;
  readonly counts: readonly CountComparison[];
  readonly problems: ProblemCounts;
}

/** Figures of a pass over images, by name. */
function flattenSummary(summary: Omit<DatasetSummary, 'problems'>): Map<string, number> {
  const { splits } = summary;
  return new Map([
    ...flattenPart(summary, ''),
    ...Object.entries(splits).map(([name, { records }]) => [`split ${name}`, records] as const),
    ...Object.entries(splits).flatMap(([name, part]) => flattenPart(part, `${name}: `)),
  ]);
}

function flattenPart(part: PartSummary, prefix: string): [string, number][] {
  const { records, patients, studies, views, labels } = part;
  const figures: [string, number][] = [
    ['records', records],
    ['patients', patients],
    ['studies', studies],
    ...Object.entries(views).map(([name, count]): [string, number] => [`view ${name}`, count]),
    ...Object.entries(labels).flatMap(([name, counts]) =>
      Object.entries(counts).map(([sign, count]): [string, number] => [`${name} ${sign}`, count]),
    ),
  ];
  return figures.map(([name, count]) => [prefix + name, count]);
}

/** Figures of a pass over reports, by name. */
async function countReports(items: AsyncIterable<Item>): Promise<Map<string, number>> {
  const counts = new Map([
    ['reports', 0],
    ['reports without an image', 0],
  ]);
  const increase = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);
  let previous: string | undefined;
  for await (const { draft, record } of items) {
    if (draft.keys.study === previous) continue;
    previous = draft.keys.study;
    increase('reports');
    if (draft.imagePaths.length === 0) increase('reports without an image');
    for (const section of Object.keys((await record()).report?.sections ?? {})) {
      increase(`reports with ${section}`);
    }
  }
  return counts;
}

/** Reads the whole data set, without filters, and sets what was found beside what is expected. */
export async function compareWithPublished(pass: Pass): Promise<SelfTest> {
  const { publishedCounts, name } = pass.layout;
  if (!publishedCounts) {
    throw invalidArgument('selfTest', 'a data set with published figures', name);
  }
  const found = flattenSummary(await summarise(itemsOf(pass, [])));
  if ('reports' in publishedCounts) {
    const reports = await countReports(itemsOf({ ...pass, kind: 'reports' }, []));
    for (const [what, count] of reports) found.set(what, count);
  }
  const counts = Object.entries(publishedCounts).map(([what, expected]) => ({
    what,
    expected,
    found: found.get(what) ?? 0,
  }));
  const problems = pass.log.counts;
  const isClean = Object.values(problems).every((count) => count === 0);
  return { ok: isClean && counts.every((each) => each.expected === each.found), counts, problems };
}
