import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** A folder of `fixtures/`. */
export function fixture(name: string): string {
  return resolve('test/tokenizers/fixtures', name);
}

/** A file of the shared golden cases, or undefined where they are not. */
export function golden(name: string): string | undefined {
  return existing(resolve(process.env.LATENTRAY_GOLDEN ?? '../shared/golden', name));
}

/** A file of the shared data, or undefined where it is not. */
export function sharedData(name: string): string | undefined {
  return existing(resolve(process.env.LATENTRAY_DATA ?? '../shared/data', name));
}

function existing(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: the shape of a case is the test's business
export function readJson(path: string): any {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** A folder with one vocab.txt and a tokenizer_config.json, for `t.testdir`. */
export function bertFolder(vocabText: string, config: object): Record<string, string> {
  return {
    'vocab.txt': readFileSync(vocabText, 'utf8'),
    'tokenizer_config.json': JSON.stringify(config),
  };
}
