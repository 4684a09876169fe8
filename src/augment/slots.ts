import { createHash } from 'node:crypto';
import type { Labels } from '../data/record.js';
import type { LabelPlan } from './label-plan.js';
import type { Prompts } from './prompts.js';

/** @internal The place of one image in the set. */
export interface Slot {
  readonly label: string;
  /** Which of the label's images it is, from 0. */
  readonly n: number;
  /** Its file, from the set's folder. */
  readonly file: string;
  readonly prompt: string;
  /** What the image is asked to show; a label that nobody mentioned is not there. */
  readonly labels: Labels;
  /** The `id` of the real record that the prompt is of. */
  readonly source: string | undefined;
}

/** @internal Slots of one label that are made by one process, one after the other. */
export type Block = readonly Slot[];

interface SlotOptions {
  readonly plan: LabelPlan;
  readonly prompts: Prompts;
  /** Whether prompts are real texts, whose labels are their records'. */
  readonly areReports: boolean;
  /** All labels that are known. */
  readonly names: readonly string[];
  readonly blockSize: number;
}

/**
 * @internal All slots in blocks, the first block of every label first. The blocks follow from the plan and not
 * from how many processes share them.
 */
export function blocksOf({ plan, prompts, areReports, names, blockSize }: SlotOptions): Block[] {
  const folders = foldersOf([...plan.keys()]);
  const blocks: { readonly at: number; readonly block: Block }[] = [];
  for (const [label, count] of plan) {
    const slots = Array.from({ length: count }, (_, n): Slot => {
      const { text, source } = prompts(label, n);
      return {
        label,
        n,
        file: `${folders.get(label)}/${String(n).padStart(6, '0')}.png`,
        prompt: text,
        labels: areReports && source ? source.labels : labelsOf(label, names),
        source: source?.id,
      };
    });
    for (let at = 0; at < count; at += blockSize) {
      blocks.push({ at, block: slots.slice(at, at + blockSize) });
    }
  }
  return blocks.sort((a, b) => a.at - b.at).map(({ block }) => block);
}

/** A template asks for one label alone. */
function labelsOf(label: string, names: readonly string[]): Labels {
  return Object.fromEntries(names.map((name) => [name, name === label ? 1 : 0]));
}

/** Names of folders that every file system takes, one a label. */
function foldersOf(labels: readonly string[]): Map<string, string> {
  const taken = new Set<string>();
  return new Map(
    labels.map((label) => {
      const words = label.toLowerCase().match(/[a-z0-9]+/g) ?? ['label'];
      let name = words.join('-');
      for (let n = 2; taken.has(name); ++n) name = `${words.join('-')}-${n}`;
      taken.add(name);
      return [label, name];
    }),
  );
}

/** @internal A slot's seed at an attempt, below 2⁵³: every reader of JSON takes it whole. */
export function seedOf(seed: number, { label, n }: Slot, attempt: number): number {
  const digest = createHash('sha256').update(`${seed}\0augment\0${label}\0${n}\0${attempt}`);
  return Number(digest.digest().readBigUInt64BE() >> 11n);
}
