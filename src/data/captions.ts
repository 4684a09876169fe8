import type { Draft } from './record.js';

/**
 * A sentence of what the tables say, for data sets without reports: "Chest X-ray, PA view, 57 year old
 * female patient with edema and pleural effusion." It is no radiologist's.
 */
export function describeLabels({ view, sex, age, labels }: Draft): string {
  const findings = Object.entries(labels)
    .filter(([name, value]) => value === 1 && name !== 'No Finding')
    .map(([name]) => name.replaceAll('_', ' ').toLowerCase());
  const sexWord = sex && { F: 'female', M: 'male' }[sex];
  const person = [age && `${age} year old`, sexWord].filter(Boolean).join(' ');
  const parts = [
    'Chest X-ray',
    view && view !== 'other' && `${view} view`,
    person && `${person} patient`,
  ];
  return `${parts.filter(Boolean).join(', ')}${withFindings(findings, labels['No Finding'] === 1)}.`;
}

function withFindings(findings: readonly string[], isNormal: boolean): string {
  if (findings.length === 0) return isNormal ? ' without findings' : '';
  const last = findings.at(-1) ?? '';
  const others = findings.slice(0, -1).join(', ');
  return others === '' ? ` with ${last}` : ` with ${others} and ${last}`;
}
