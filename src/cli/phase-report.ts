import { ProgressBar } from './progress-bar.js';

/** How often a log that is no terminal gets a line. */
const secondsBetweenLines = 30;

/** A run of several phases, on stderr: a bar for each on a terminal, elsewhere a line now and then. */
export class PhaseReport {
  readonly #stream: NodeJS.WriteStream;
  #phase = '';
  #bar: ProgressBar;
  #lastLine = Number.NEGATIVE_INFINITY;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
    this.#bar = new ProgressBar('', stream);
  }

  /** @param line - For a log; `isLast` is always written. */
  protected show(
    {
      phase,
      done,
      total,
    }: { readonly phase: string; readonly done: number; readonly total: number },
    {
      line,
      note,
      isLast = false,
    }: { readonly line: string; readonly note?: string; readonly isLast?: boolean },
  ): void {
    this.#enter(phase);
    this.#bar.update(done, total, note);
    const now = performance.now() / 1000;
    if (this.#stream.isTTY || (!isLast && now - this.#lastLine < secondsBetweenLines)) return;
    this.#lastLine = now;
    this.#stream.write(`${line}\n`);
  }

  end(): void {
    this.#bar.end();
  }

  #enter(phase: string): void {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#bar.end();
    this.#bar = new ProgressBar(phase, this.#stream);
  }
}

/** Seconds in words. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
