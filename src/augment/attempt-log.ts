import { type FileHandle, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isFile } from '../data/files.js';
import { writeError } from '../training/atomic-files.js';
import type { Shard } from './shard.js';
import type { Slot } from './slots.js';

/** @internal What became of one attempt; a line of attempts-….jsonl. */
export interface Attempt {
  readonly class: string;
  readonly n: number;
  readonly attempt: number;
  readonly accepted: boolean;
  /** The checks that it did not pass. */
  readonly reasons: readonly string[];
  /** How the image was made and what was found: the row of metadata.jsonl, where it is accepted. */
  readonly row: Readonly<Record<string, unknown>>;
}

const fileName = /^attempts-\d+-of-\d+\.jsonl$/;

/**
 * @internal Every attempt of a set, whichever process made it. Each process appends to a file of its own, so that
 * they need not wait for each other, and a set can be gone on with by another number of them.
 */
export class AttemptLog {
  readonly #path: string;
  readonly #attempts = new Map<string, Attempt>();
  #file: FileHandle | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  /** What all processes have written so far. */
  static async read(folder: string): Promise<AttemptLog> {
    const log = new AttemptLog('');
    for (const attempt of await readAttempts(folder)) log.#keep(attempt);
    return log;
  }

  /** The same, to be added to. */
  static async open(folder: string, { rank, worldSize }: Shard): Promise<AttemptLog> {
    const log = new AttemptLog(join(folder, `attempts-${rank}-of-${worldSize}.jsonl`));
    for (const attempt of await readAttempts(folder)) log.#keep(attempt);
    log.#file = await open(log.#path, 'a').catch((cause: unknown) => {
      throw writeError(log.#path, cause);
    });
    // A process that was killed can have left half a line.
    if (!(await endsWithLine(log.#path))) await log.#write('\n');
    return log;
  }

  get(slot: Slot, attempt: number): Attempt | undefined {
    return this.#attempts.get(keyOf(slot.label, slot.n, attempt));
  }

  /** The attempt that gave the slot its image. */
  acceptedOf(slot: Slot, maxAttempts: number): Attempt | undefined {
    for (let attempt = 0; attempt < maxAttempts; ++attempt) {
      const found = this.get(slot, attempt);
      if (found?.accepted) return found;
    }
    return undefined;
  }

  /** How many attempts of the slot did not pass. */
  rejectedOf(slot: Slot, maxAttempts: number): Attempt[] {
    return Array.from({ length: maxAttempts }, (_, n) => this.get(slot, n)).filter(
      (found) => found !== undefined && !found.accepted,
    ) as Attempt[];
  }

  /** An image that is gone has to be made again. */
  forget({ class: label, n, attempt }: Attempt): void {
    this.#attempts.delete(keyOf(label, n, attempt));
  }

  async append(attempts: readonly Attempt[]): Promise<void> {
    if (attempts.length === 0) return;
    await this.#write(attempts.map((attempt) => `${JSON.stringify(attempt)}\n`).join(''));
    for (const attempt of attempts) this.#keep(attempt);
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  #keep(attempt: Attempt): void {
    this.#attempts.set(keyOf(attempt.class, attempt.n, attempt.attempt), attempt);
  }

  async #write(text: string): Promise<void> {
    try {
      await this.#file?.appendFile(text);
      await this.#file?.sync();
    } catch (error) {
      throw writeError(this.#path, error);
    }
  }
}

/** A line that a killed process had begun counts as none. */
async function readAttempts(folder: string): Promise<Attempt[]> {
  const names = (await readdir(folder)).filter((name) => fileName.test(name)).sort();
  const attempts: Attempt[] = [];
  for (const name of names) {
    const text = await readFile(join(folder, name), 'utf8');
    for (const line of text.split('\n')) {
      const attempt = parse(line);
      if (attempt) attempts.push(attempt);
    }
  }
  return attempts;
}

function parse(line: string): Attempt | undefined {
  try {
    const value = JSON.parse(line);
    return typeof value?.accepted === 'boolean' && value.row ? value : undefined;
  } catch {
    return undefined;
  }
}

async function endsWithLine(path: string): Promise<boolean> {
  if (!(await isFile(path))) return true;
  const text = await readFile(path, 'utf8');
  return text === '' || text.endsWith('\n');
}

function keyOf(label: string, n: number, attempt: number): string {
  return `${label}\0${n}\0${attempt}`;
}
