import { createHash } from 'node:crypto';
import { invalidArgument, type Labels } from '../../index.js';
import { labelValue, type Unmentioned, usableLabels } from '../labels.js';
import { checkedOptions } from '../options.js';
import { clinicalPrompts, denials, type LabelledText, lateralities } from './clinical-texts.js';
import { type StudiedText, studiedText } from './options.js';

/** Texts that encoders are asked about. */
export interface Corpus {
  readonly name: string;
  readonly texts: readonly string[];
  readonly groups: readonly string[];
  /** What groups are: patients, wordings … */
  readonly groupedBy: string;
  readonly labels: readonly string[];
  /** A row a text, a column a label: 1, 0, or −1 for what is not known. */
  readonly values: readonly (readonly number[])[];
  /** SHA-256 over texts, labels and groups. */
  readonly digest: string;
}

/** Sentences of this library's own. */
export function promptCorpora(): Corpus[] {
  return [
    corpusOf('prompts: which finding', clinicalPrompts(), 'wording', 'negative', 1),
    corpusOf('prompts: denied or not', denials(), 'finding', 'unknown', 1),
    corpusOf('prompts: left or right', lateralities(), 'finding', 'unknown', 1),
  ];
}

export interface ReportChoice {
  readonly limit: number;
  readonly unmentioned: Unmentioned;
  readonly leastPositives: number;
  readonly signal: AbortSignal | undefined;
}

export async function reportCorpus(
  source: AsyncIterable<StudiedText> | Iterable<StudiedText>,
  { limit, unmentioned, leastPositives, signal }: ReportChoice,
): Promise<Corpus> {
  const texts: LabelledText[] = [];
  for await (const record of source) {
    signal?.throwIfAborted();
    const { text, labels, patient } = checkedOptions(
      studiedText,
      record,
      `reports[${texts.length}]`,
    );
    if (text.trim() === '') continue;
    texts.push({ text, labels: labels as Labels, group: patient });
    if (texts.length === limit) break;
  }
  const groups = new Set(texts.map(({ group }) => group)).size;
  if (groups < 2) throw invalidArgument('reports', 'texts of at least two patients', `${groups}`);
  return corpusOf('reports', texts, 'patient', unmentioned, leastPositives);
}

function corpusOf(
  name: string,
  texts: readonly LabelledText[],
  groupedBy: string,
  unmentioned: Unmentioned,
  leastPositives: number,
): Corpus {
  const labels = usableLabels(texts, unmentioned, leastPositives);
  return {
    name,
    texts: texts.map(({ text }) => text),
    groups: texts.map(({ group }) => group),
    groupedBy,
    labels,
    values: texts.map((each) => labels.map((label) => labelValue(each.labels, label, unmentioned))),
    digest: `sha256:${createHash('sha256').update(JSON.stringify(texts)).digest('hex')}`,
  };
}
