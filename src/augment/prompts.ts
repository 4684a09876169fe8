import { hashFraction } from '../data/record.js';
import { invalidArgument, LatentrayError } from '../errors.js';
import type { ParsedAugmentConfig } from './augment-options.js';
import type { RealRecord } from './real-images.js';

/** @internal What an image is asked for by. */
export interface Prompt {
  readonly text: string;
  /** The record that the text, or a part of it, is of. */
  readonly source: RealRecord | undefined;
}

/** @internal The prompt of a label's n-th image. */
export type Prompts = (label: string, n: number) => Prompt;

const defaultTemplates = ['Chest X-ray with {label}.'];
const normalTemplates = ['Chest X-ray without findings.'];
const known = new Set(['label', 'view', 'sex', 'age']);
const placeholder = /\{(\w*)\}/g;

/**
 * @internal Prompts that follow from the seed, the label and the number alone. Templates take turns, and so do
 * real records, in an order of their own: each is used once before one is used again.
 */
export function promptsOf(
  { prompts, seed }: Pick<ParsedAugmentConfig, 'prompts' | 'seed'>,
  records: readonly RealRecord[],
): Prompts {
  const turn = turnsOf(records, seed);
  if (prompts === 'reports') {
    return (label, n) => {
      const source = turn(label, n, 'reports', ({ text }) => text.trim() !== '');
      return { text: source.text, source };
    };
  }
  return (label, n) => {
    const templates = templatesOf(prompts, label);
    const template = templates[n % templates.length] as string;
    const names = placeholdersOf(template).filter((name) => name !== 'label');
    const source =
      names.length > 0
        ? turn(label, Math.floor(n / templates.length), names.join(' '), (record) =>
            names.every((name) => wordOf(record, name) !== undefined),
          )
        : undefined;
    const text = template.replace(placeholder, (_, name: string) =>
      name === 'label' ? labelWords(label) : String(wordOf(source as RealRecord, name)),
    );
    return { text, source };
  };
}

/** @internal A label as it stands in a sentence. */
export function labelWords(label: string): string {
  return label.replaceAll('_', ' ').toLowerCase();
}

function templatesOf(prompts: ParsedAugmentConfig['prompts'], label: string): readonly string[] {
  if (Array.isArray(prompts)) return prompts;
  if (typeof prompts === 'object') {
    const own = Object.hasOwn(prompts, label) ? prompts[label] : undefined;
    if (own) return own;
    throw invalidArgument('prompts', `templates for '${label}'`, undefined);
  }
  return label === 'No Finding' ? normalTemplates : defaultTemplates;
}

/** @internal The names in braces. `ERR_INVALID_ARG` for one that means nothing. */
export function placeholdersOf(template: string): string[] {
  const names = [...template.matchAll(placeholder)].map(([, name = '']) => name);
  const wrong = names.find((name) => !known.has(name));
  if (wrong === undefined) return names;
  throw invalidArgument('prompts', '{label}, {view}, {sex} or {age} in braces', `{${wrong}}`);
}

function wordOf(record: RealRecord, name: string): string | number | undefined {
  if (name === 'view') return record.view === 'other' ? undefined : record.view;
  if (name === 'age') return record.age;
  return record.sex && { F: 'female', M: 'male' }[record.sex];
}

/** The records of a label that suit a purpose, each in its turn. */
function turnsOf(records: readonly RealRecord[], seed: number) {
  const orders = new Map<string, readonly RealRecord[]>();
  return (
    label: string,
    n: number,
    purpose: string,
    suits: (record: RealRecord) => boolean,
  ): RealRecord => {
    const key = `${label}\0${purpose}`;
    let order = orders.get(key);
    if (!order) {
      order = records
        .filter((record) => Object.hasOwn(record.labels, label) && record.labels[label] === 1)
        .filter(suits)
        .map((record) => ({ record, rank: hashFraction('prompt', seed, record.id) }))
        .sort((a, b) => a.rank - b.rank)
        .map(({ record }) => record);
      orders.set(key, order);
    }
    const record = order[n % Math.max(order.length, 1)];
    if (record) return record;
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `prompts: expected a record of the dataset with '${label}' and ${purpose}, found none. Use other templates, or leave the label out`,
    );
  };
}
