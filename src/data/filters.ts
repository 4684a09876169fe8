import { z } from 'zod';
import type { Item, Step } from './pass.js';
import type { Draft, ReportRecord, View } from './record.js';
import { parseSplit } from './values.js';

/** What records must be to stay; all that is given must hold. */
export interface RecordFilter {
  /** `'frontal'` is PA or AP. */
  readonly view?: View | 'frontal' | readonly (View | 'frontal')[];
  /** Labels that must be positive, or each label with the value that it must have. */
  readonly labels?: string | readonly string[] | Readonly<Record<string, 1 | 0 | -1>>;
  /** `'train'`, `'validation'`, `'test'`; `'valid'` and the like are understood. */
  readonly split?: string | readonly string[];
  readonly sex?: 'F' | 'M';
  /** In years, both ends included. Records whose age is not known do not stay. */
  readonly age?: { readonly min?: number; readonly max?: number };
  /** Whether there must be a text, or must not. The report is read for that. */
  readonly text?: boolean;
}

/** Decides over a complete record. Its report is read for that. */
export type RecordPredicate = (record: ReportRecord) => boolean;

const labelValue = z.union([z.literal(1), z.literal(0), z.literal(-1)]);
const view = z.enum(['PA', 'AP', 'lateral', 'other', 'frontal']);

export const recordFilter = z.strictObject({
  view: z.union([view, z.array(view)]).optional(),
  labels: z.union([z.string(), z.array(z.string()), z.record(z.string(), labelValue)]).optional(),
  split: z.union([z.string(), z.array(z.string())]).optional(),
  sex: z.enum(['F', 'M']).optional(),
  age: z
    .strictObject({ min: z.number().default(0), max: z.number().default(Number.POSITIVE_INFINITY) })
    .optional(),
  text: z.boolean().optional(),
});

type ParsedFilter = z.output<typeof recordFilter>;

/** Lets through what a filter or a predicate says. */
export function filterStep(filter: ParsedFilter | RecordPredicate): Step {
  const keeps = typeof filter === 'function' ? keepsBy(filter) : keepsAll(filter);
  return async function* filtered(items) {
    for await (const item of items) if (await keeps(item)) yield item;
  };
}

function keepsBy(predicate: RecordPredicate) {
  return async (item: Item) => Boolean(predicate(await item.record()));
}

function keepsAll(filter: ParsedFilter) {
  const tests = draftTests(filter);
  return async (item: Item) => {
    if (!tests.every((test) => test(item.draft))) return false;
    if (filter.text === undefined) return true;
    return ((await item.record()).text !== '') === filter.text;
  };
}

type DraftTest = (draft: Draft) => boolean;

function draftTests({ view, labels, split, sex, age }: ParsedFilter): DraftTest[] {
  const tests: DraftTest[] = [];
  if (view !== undefined) {
    const views = [view].flat().flatMap((each) => (each === 'frontal' ? ['PA', 'AP'] : [each]));
    tests.push((draft) => draft.view !== undefined && views.includes(draft.view));
  }
  if (labels !== undefined) {
    const wanted = wantedLabels(labels);
    tests.push((draft) => wanted.every(([name, value]) => labelOf(draft, name) === value));
  }
  if (split !== undefined) {
    const names = [split].flat().map(parseSplit);
    tests.push((draft) => draft.split !== undefined && names.includes(draft.split));
  }
  if (sex !== undefined) tests.push((draft) => draft.sex === sex);
  if (age !== undefined) {
    tests.push((draft) => draft.age !== undefined && draft.age >= age.min && draft.age <= age.max);
  }
  return tests;
}

function wantedLabels(labels: NonNullable<ParsedFilter['labels']>): [string, number][] {
  if (typeof labels === 'string') return [[labels, 1]];
  return Array.isArray(labels) ? labels.map((name) => [name, 1]) : Object.entries(labels);
}

function labelOf({ labels }: Draft, name: string): number | undefined {
  return Object.hasOwn(labels, name) ? labels[name] : undefined;
}
