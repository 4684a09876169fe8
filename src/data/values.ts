import type { View } from './record.js';

const sides = new Set(['LATERAL', 'LL', 'RL']);

/** `undefined` for a blank. */
export function parseView(text: string): View | undefined {
  const word = text.trim().toUpperCase();
  if (word === '') return undefined;
  if (word === 'PA' || word === 'AP') return word;
  return sides.has(word) ? 'lateral' : 'other';
}

/** `undefined` for what is neither: a blank, "Unknown". */
export function parseSex(text: string): 'F' | 'M' | undefined {
  const letter = text.trim().toUpperCase();
  if (letter === 'F' || letter === 'FEMALE') return 'F';
  return letter === 'M' || letter === 'MALE' ? 'M' : undefined;
}

/** Years, or `undefined` where it is not known: a blank, or above any human age. */
export function parseAge(text: string): number | undefined {
  const [, digits] = /^0*(\d{1,3})(?:\.0+)?Y?$/.exec(text.trim()) ?? [];
  const age = Number(digits);
  return digits !== undefined && age <= 120 ? age : undefined;
}

const splitNames: Readonly<Record<string, string>> = {
  training: 'train',
  val: 'validation',
  valid: 'validation',
  validate: 'validation',
  dev: 'validation',
  testing: 'test',
};

/** The three parts under one name each, whatever the data set calls them; other names stay. */
export function parseSplit(text: string): string | undefined {
  const name = text.trim().toLowerCase();
  if (name === '') return undefined;
  return Object.hasOwn(splitNames, name) ? splitNames[name] : name;
}
