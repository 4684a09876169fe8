import type { Labels } from '../../index.js';

/** A text with what it says, and whose it is: texts of one group are never both learned from and asked of. */
export interface LabelledText {
  readonly text: string;
  readonly labels: Labels;
  readonly group: string;
}

/** Three sentences: the second means what the first means, the third contradicts it in almost the same words. */
export interface Contrast {
  readonly anchor: string;
  readonly same: string;
  readonly opposite: string;
  /** About another finding, in the anchor's words. */
  readonly other: string;
}

interface Finding {
  readonly name: string;
  /** With its article, where it has one. */
  readonly phrase: string;
  /** Can be on one side alone. */
  readonly sided: boolean;
}

const findings: readonly Finding[] = [
  { name: 'pleural effusion', phrase: 'a pleural effusion', sided: true },
  { name: 'pneumothorax', phrase: 'a pneumothorax', sided: true },
  { name: 'consolidation', phrase: 'a consolidation', sided: true },
  { name: 'atelectasis', phrase: 'atelectasis', sided: true },
  { name: 'lung nodule', phrase: 'a lung nodule', sided: true },
  { name: 'rib fracture', phrase: 'a rib fracture', sided: true },
  { name: 'pneumonia', phrase: 'pneumonia', sided: true },
  { name: 'pleural thickening', phrase: 'pleural thickening', sided: true },
  { name: 'pulmonary edema', phrase: 'pulmonary edema', sided: false },
  { name: 'cardiomegaly', phrase: 'cardiomegaly', sided: false },
  { name: 'emphysema', phrase: 'emphysema', sided: false },
  { name: 'hiatal hernia', phrase: 'a hiatal hernia', sided: false },
];

type Wording = (finding: Finding) => string;

/** A wording and its denial, which shares most of its words. */
const wordings: readonly { readonly says: Wording; readonly denies: Wording }[] = [
  {
    says: ({ phrase }) => `A photo of a lung x-ray with ${phrase}`,
    denies: ({ phrase }) => `A photo of a lung x-ray without ${phrase}`,
  },
  { says: ({ phrase }) => `There is ${phrase}.`, denies: ({ name }) => `There is no ${name}.` },
  {
    says: ({ name }) => `Evidence of ${name}.`,
    denies: ({ name }) => `No evidence of ${name}.`,
  },
  {
    says: ({ name }) => `Findings are positive for ${name}.`,
    denies: ({ name }) => `Findings are negative for ${name}.`,
  },
  {
    says: ({ name }) => `${capital(name)} is present.`,
    denies: ({ name }) => `${capital(name)} is absent.`,
  },
  {
    says: ({ name }) => `Chest radiograph shows ${name}.`,
    denies: ({ name }) => `Chest radiograph shows no ${name}.`,
  },
  {
    says: ({ phrase }) => `The study demonstrates ${phrase}.`,
    denies: ({ phrase }) => `The study excludes ${phrase}.`,
  },
  {
    says: ({ name }) => `Persistent ${name} since the prior study.`,
    denies: ({ name }) => `Resolved ${name} since the prior study.`,
  },
];

const sides: readonly ((name: string, side: string) => string)[] = [
  (name, side) => `${capital(side)} ${name}.`,
  (name, side) => `${capital(name)} on the ${side}.`,
  (name, side) => `There is ${side}-sided ${name}.`,
  (name, side) => `The ${side} hemithorax shows ${name}.`,
];

/** Every finding in every wording, said and denied. What is denied counts as absent; groups are wordings. */
export function clinicalPrompts(): LabelledText[] {
  return findings.flatMap((finding) =>
    wordings.flatMap(({ says, denies }, wording) => {
      const group = `wording ${wording}`;
      return [
        { text: says(finding), labels: { [finding.name]: 1 }, group },
        { text: denies(finding), labels: { [finding.name]: 0 }, group },
      ];
    }),
  );
}

/** The same sentences, asked whether they deny; groups are findings. */
export function denials(): LabelledText[] {
  return findings.flatMap((finding) =>
    wordings.flatMap(({ says, denies }) => [
      { text: says(finding), labels: { denied: 0 }, group: finding.name },
      { text: denies(finding), labels: { denied: 1 }, group: finding.name },
    ]),
  );
}

/** Sentences that differ by their side, asked whether it is the left; groups are findings. */
export function lateralities(): LabelledText[] {
  return sidedFindings().flatMap(({ name }) =>
    sides.flatMap((sentence) => [
      { text: sentence(name, 'left'), labels: { left: 1 }, group: name },
      { text: sentence(name, 'right'), labels: { left: 0 }, group: name },
    ]),
  );
}

/** "There is a pleural effusion." beside "There is no pleural effusion." */
export function negationContrasts(): Contrast[] {
  return findings.flatMap((finding, index) =>
    wordings.map(({ says, denies }, wording) => ({
      anchor: says(finding),
      same: at(wordings, wording + 1).says(finding),
      opposite: denies(finding),
      other: says(at(findings, index + 1)),
    })),
  );
}

/** "Left pneumothorax." beside "Right pneumothorax." */
export function lateralityContrasts(): Contrast[] {
  const sided = sidedFindings();
  return sided.flatMap(({ name }, index) =>
    sides.flatMap((sentence, wording) =>
      (['left', 'right'] as const).map((side) => ({
        anchor: sentence(name, side),
        same: at(sides, wording + 1)(name, side),
        opposite: sentence(name, side === 'left' ? 'right' : 'left'),
        other: sentence(at(sided, index + 1).name, side),
      })),
    ),
  );
}

function sidedFindings(): Finding[] {
  return findings.filter(({ sided }) => sided);
}

/** An entry; after the last comes the first. */
function at<T>(list: readonly T[], index: number): T {
  return list[index % list.length] as T;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
