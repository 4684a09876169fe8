import { cp, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** What a tokenizer consists of, in every form that is published. */
const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
];

const nothing = [null, null];

/**
 * model_index.json without the parts that a written folder does not have, which diffusers would look for in
 * vain: the safety checker, and what prepares its input.
 */
export function indexOfWritten(index: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    ...index,
    feature_extractor: nothing,
    image_encoder: nothing,
    requires_safety_checker: false,
    safety_checker: nothing,
  };
}

/** Copies a tokenizer's files; a folder onto itself stays as it is. */
export async function copyTokenizer(from: string, to: string): Promise<void> {
  const present = await readdir(from);
  for (const name of tokenizerFiles.filter((file) => present.includes(file))) {
    await copyFile(join(from, name), join(to, name));
  }
}

/** Copies a file, and its folders where they are not there. */
export async function copyFile(from: string, to: string): Promise<void> {
  if (resolve(from) !== resolve(to)) await cp(from, to);
}
