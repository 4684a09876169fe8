import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/**
 * Writes CLIP's vocab.json and merges.txt. The repository has the merges alone: ids count the bytes, the bytes at
 * a word's end, what each merge makes, and two special tokens, as OpenAI's simple_tokenizer.py does.
 *
 * @param packed merges.txt, compressed by gzip.
 */
export async function writeClipVocabulary(packed: string, folder: string): Promise<void> {
  const merges = gunzipSync(await readFile(packed)).toString('utf8');
  const [, ...pairs] = merges.trimEnd().split('\n');
  const bytes = byteLetters();
  const tokens = [
    ...bytes,
    ...bytes.map((letter) => `${letter}</w>`),
    ...pairs.map((pair) => pair.replace(' ', '')),
    '<|startoftext|>',
    '<|endoftext|>',
  ];
  const vocabulary = Object.fromEntries(tokens.map((token, id) => [token, id]));
  await writeFile(join(folder, 'vocab.json'), JSON.stringify(vocabulary));
  await writeFile(join(folder, 'merges.txt'), merges);
}

/** A letter for each byte: those that can be seen are themselves and come first. */
function byteLetters(): string[] {
  const ranges: [string, string][] = [
    ['!', '~'],
    ['¡', '¬'],
    ['®', 'ÿ'],
  ];
  const seen = ranges.flatMap(([first, last]) => {
    const start = first.charCodeAt(0);
    return Array.from({ length: last.charCodeAt(0) - start + 1 }, (_, i) => start + i);
  });
  const others = Array.from({ length: 256 - seen.length }, (_, i) => 256 + i);
  return [...seen, ...others].map((code) => String.fromCharCode(code));
}
