import type { Item } from './pass.js';
import type { ProblemCounts } from './problems.js';
import { opaqueId } from './record.js';

/** How often a label has each value. */
export interface LabelCounts {
  readonly positive: number;
  readonly negative: number;
  readonly uncertain: number;
}

/** What there is in a data set, or in one part of it. */
export interface PartSummary {
  readonly records: number;
  readonly patients: number;
  readonly studies: number;
  readonly views: Readonly<Record<string, number>>;
  readonly sexes: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, LabelCounts>>;
}

/** What there is in a data set, and what could not be used. */
export interface DatasetSummary extends PartSummary {
  /** The same for each part. */
  readonly splits: Readonly<Record<string, PartSummary>>;
  readonly problems: ProblemCounts;
}

/** Counts records. Of patients and studies it keeps the hashes, of everything else numbers. */
export class Counter {
  #records = 0;
  readonly #patients = new Set<string>();
  readonly #studies = new Set<string>();
  readonly #views = new Map<string, number>();
  readonly #sexes = new Map<string, number>();
  readonly #labels = new Map<string, { positive: number; negative: number; uncertain: number }>();

  add({ draft: { keys, view, sex, labels } }: Item): void {
    this.#records++;
    this.#patients.add(opaqueId('', 'patient', keys.patient));
    this.#studies.add(opaqueId('', 'study', keys.study));
    increase(this.#views, view ?? 'unknown');
    increase(this.#sexes, sex ?? 'unknown');
    for (const [name, value] of Object.entries(labels)) this.#addLabel(name, value);
  }

  summary(): PartSummary {
    return {
      records: this.#records,
      patients: this.#patients.size,
      studies: this.#studies.size,
      views: Object.fromEntries(this.#views),
      sexes: Object.fromEntries(this.#sexes),
      labels: Object.fromEntries(this.#labels),
    };
  }

  #addLabel(name: string, value: number): void {
    const counts = this.#labels.get(name) ?? { positive: 0, negative: 0, uncertain: 0 };
    this.#labels.set(name, counts);
    counts[value === 1 ? 'positive' : value === 0 ? 'negative' : 'uncertain']++;
  }
}

function increase(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** Counts a pass, as a whole and by split. */
export async function summarise(
  items: AsyncIterable<Item>,
): Promise<Omit<DatasetSummary, 'problems'>> {
  const whole = new Counter();
  const splits = new Map<string, Counter>();
  for await (const item of items) {
    whole.add(item);
    const { split } = item.draft;
    if (split === undefined) continue;
    const part = splits.get(split) ?? new Counter();
    splits.set(split, part);
    part.add(item);
  }
  const parts = [...splits].map(([name, part]) => [name, part.summary()] as const);
  return { ...whole.summary(), splits: Object.fromEntries(parts) };
}
