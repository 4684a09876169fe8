import { z } from 'zod';
import type { Labels, View } from './record.js';
import { parseAge, parseSex, parseSplit, parseView } from './values.js';

/** What a folder's metadata can say of an image. */
export interface FolderRow {
  readonly file: string;
  readonly patient?: string;
  readonly study?: string;
  readonly mask?: string;
  readonly weight?: number;
  readonly text?: string;
  readonly labels: Labels;
  readonly view?: View;
  readonly split?: string;
  readonly sex?: 'F' | 'M';
  readonly age?: number;
  readonly columns?: Readonly<Record<string, unknown>>;
}

const text = z.union([z.string(), z.number()], 'expected a text').transform(String);
const blankOrNumber = z
  .union([z.number(), z.string().trim().min(1).transform(Number)], 'expected a number')
  .pipe(z.number('expected a number'));
const labelValue = z
  .union([z.literal(1), z.literal(0), z.literal(-1)], 'expected 1, 0 or -1')
  .optional();

/** The columns that mean something here; the first name that a row has counts. */
const names = {
  file: ['file_name'],
  patient: ['patient_id', 'patient', 'subject_id'],
  study: ['study_id', 'study'],
  mask: ['mask', 'mask_file_name'],
  weight: ['weight'],
  text: ['text', 'caption'],
  labels: ['labels', 'label'],
  view: ['view', 'view_position'],
  split: ['split'],
  sex: ['sex', 'gender'],
  age: ['age'],
} as const;

const schema = z.object({
  file: z.string('expected a path').min(1, 'expected a path'),
  patient: text.optional(),
  study: text.optional(),
  mask: z.string('expected a path').optional(),
  weight: blankOrNumber.pipe(z.number().nonnegative('expected no negative number')).optional(),
  text: z.string('expected a text').optional(),
  labels: z
    .union(
      [text, z.array(z.string()), z.record(z.string(), labelValue.or(z.null()))],
      'expected a label, a list of labels, or an object of 1, 0 and -1',
    )
    .optional(),
  view: text.optional(),
  split: text.optional(),
  sex: text.optional(),
  age: text.optional(),
});

/** A row's values by what they mean, or what is wrong with one of them. */
export function readFolderRow(
  values: ReadonlyMap<string, unknown>,
  extra: readonly string[],
): FolderRow | { readonly invalid: string } {
  const named = Object.entries(names).map(([key, columns]) => {
    const column = columns.find((each) => values.has(each));
    return [key, column === undefined ? undefined : values.get(column)] as const;
  });
  const result = schema.safeParse(Object.fromEntries(named));
  if (!result.success) {
    const [issue] = result.error.issues;
    const [column] = names[String(issue?.path[0]) as keyof typeof names] ?? [];
    return { invalid: `${column}: ${issue?.message}` };
  }
  const { labels, view, split, sex, age, ...row } = result.data;
  return {
    ...row,
    labels: toLabels(labels),
    view: view === undefined ? undefined : parseView(view),
    split: split === undefined ? undefined : parseSplit(split),
    sex: sex === undefined ? undefined : parseSex(sex),
    age: age === undefined ? undefined : parseAge(age),
    columns: extra.length === 0 ? undefined : pick(values, extra),
  };
}

/** Names that are listed are positive. */
function toLabels(labels: z.output<typeof schema>['labels']): Labels {
  if (labels === undefined) return {};
  if (typeof labels === 'string') return toLabels(labels.split('|').filter((name) => name !== ''));
  if (Array.isArray(labels)) return Object.fromEntries(labels.map((name) => [name, 1]));
  return Object.fromEntries(
    Object.entries(labels).flatMap(([name, value]) => (value == null ? [] : [[name, value]])),
  );
}

function pick(values: ReadonlyMap<string, unknown>, wanted: readonly string[]) {
  return Object.fromEntries(
    wanted.filter((name) => values.has(name)).map((name) => [name, values.get(name)]),
  );
}
