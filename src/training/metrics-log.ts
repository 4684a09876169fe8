import { type FileHandle, open, readFile } from 'node:fs/promises';
import { writeError, writeFileAtomically } from './atomic-files.js';

/** @internal metrics.jsonl: a line a step, each with `step`, the number of steps that are done by then. */
export class MetricsLog {
  readonly #path: string;
  #file: FileHandle | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Goes on after `step`: later lines of a run that was killed are of steps that come again. */
  static async open(path: string, step: number): Promise<MetricsLog> {
    const log = new MetricsLog(path);
    const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return '';
      throw writeError(path, cause);
    });
    await writeFileAtomically(
      path,
      linesUpTo(step, text)
        .map((line) => `${line}\n`)
        .join(''),
    );
    log.#file = await open(path, 'a').catch((cause: unknown) => {
      throw writeError(path, cause);
    });
    return log;
  }

  async append(line: Readonly<Record<string, unknown>>): Promise<void> {
    try {
      await this.#file?.appendFile(`${JSON.stringify(line)}\n`);
    } catch (error) {
      throw writeError(this.#path, error);
    }
  }

  /** So that no checkpoint has steps whose lines a power failure took. */
  async flush(): Promise<void> {
    await this.#file?.sync().catch((cause: unknown) => {
      throw writeError(this.#path, cause);
    });
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}

/** A line that a killed process had begun counts as none. */
function linesUpTo(step: number, text: string): string[] {
  return text.split('\n').filter((line) => {
    try {
      return JSON.parse(line).step <= step;
    } catch {
      return false;
    }
  });
}
