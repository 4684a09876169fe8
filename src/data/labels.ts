import type { Labels } from './record.js';

/** What an uncertain label (−1) counts as; `'keep'` leaves it −1, `'ignore'` takes it out. */
export type UncertainPolicy = 'keep' | 'zeros' | 'ones' | 'ignore';

/** `'published'` as the data set has them, or as torchxrayvision's loaders make them of it. */
export type LabelStyle = 'published' | 'torchxrayvision';

/** What is done to labels when they are read. */
export interface LabelRules {
  readonly uncertain: UncertainPolicy;
  readonly labelStyle: LabelStyle;
  /** Labels that "No Finding" says nothing of (torchxrayvision). */
  readonly notPathologies?: readonly string[];
}

/** The labels of CheXpert's labeler, which MIMIC-CXR has too. */
export const chexpertLabels = [
  'No Finding',
  'Enlarged Cardiomediastinum',
  'Cardiomegaly',
  'Lung Opacity',
  'Lung Lesion',
  'Edema',
  'Consolidation',
  'Pneumonia',
  'Atelectasis',
  'Pneumothorax',
  'Pleural Effusion',
  'Pleural Other',
  'Fracture',
  'Support Devices',
] as const;

/** `1.0`, `0.0`, `-1.0`; `undefined` for a blank, `null` for anything else. */
export function parseLabel(text: string): 1 | 0 | -1 | undefined | null {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  const value = Number(trimmed);
  return value === 1 || value === 0 || value === -1 ? normalZero(value) : null;
}

function normalZero(value: 1 | 0 | -1): 1 | 0 | -1 {
  return value === 0 ? 0 : value;
}

/** Labels of a row's columns, or the column whose value is none. */
export function readLabels(
  names: readonly string[],
  get: (name: string) => string,
): { readonly labels: Labels } | { readonly invalid: string } {
  const labels: Record<string, 1 | 0 | -1> = {};
  for (const name of names) {
    const value = parseLabel(get(name));
    if (value === null)
      return { invalid: `expected 1, 0, -1 or nothing as '${name}', found '${get(name)}'` };
    if (value !== undefined) labels[name] = value;
  }
  return { labels };
}

/** Labels under the rules that the caller chose. */
export function applyLabelRules(labels: Labels, rules: LabelRules): Labels {
  const found = rules.labelStyle === 'torchxrayvision' ? asTorchXRayVision(labels, rules) : labels;
  if (rules.uncertain === 'keep') return found;
  const entries = Object.entries(found).filter(
    ([, value]) => value !== -1 || rules.uncertain !== 'ignore',
  );
  const replacement = rules.uncertain === 'ones' ? 1 : 0;
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value === -1 ? replacement : value]),
  );
}

/** "No Finding" makes every pathology negative; what is uncertain is unknown; Effusion has its short name. */
function asTorchXRayVision(labels: Labels, { notPathologies = [] }: LabelRules): Labels {
  const result: Record<string, 1 | 0 | -1> = { ...labels };
  if (labels['No Finding'] === 1) {
    for (const name of chexpertLabels) {
      if (name !== 'No Finding' && !notPathologies.includes(name)) result[name] = 0;
    }
  }
  const known = Object.entries(result).filter(([, value]) => value !== -1);
  return Object.fromEntries(
    known.map(([name, value]) => [name === 'Pleural Effusion' ? 'Effusion' : name, value]),
  );
}
