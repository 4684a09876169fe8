import { dirname, join } from 'node:path';
import { exists } from './json-files.js';

const tokenizerFiles = ['tokenizer.json', 'vocab.json', 'vocab.txt'];

/** @internal Where a text encoder's tokenizer lies: in its folder, in `tokenizer` beside it, or above it. */
export async function findTokenizerFolder(path: string): Promise<string> {
  const candidates = [path, join(dirname(path), 'tokenizer'), dirname(path)];
  for (const folder of candidates) {
    const present = await Promise.all(tokenizerFiles.map((name) => exists(join(folder, name))));
    if (present.some(Boolean)) return folder;
  }
  return path; // whose absence loadTokenizer explains
}
