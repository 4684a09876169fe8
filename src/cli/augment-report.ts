import type { AugmentProgress, AugmentResult } from '../index.js';
import { ProgressBar } from './progress-bar.js';

/** How often a log that is no terminal gets a line. */
const secondsBetweenLines = 30;

/** What a run tells, on stderr: a bar on a terminal, elsewhere a line now and then. */
export class AugmentReport {
  readonly #stream: NodeJS.WriteStream;
  #phase = '';
  #bar: ProgressBar;
  #lastLine = Number.NEGATIVE_INFINITY;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
    this.#bar = new ProgressBar('', stream);
  }

  progress(event: AugmentProgress): void {
    if (event.phase !== this.#phase) {
      this.#bar.end();
      this.#bar = new ProgressBar(event.phase, this.#stream);
      this.#phase = event.phase;
    }
    const { phase, done, total } = event;
    const words = phase === 'reading' ? 'real images' : figures(event);
    this.#bar.update(done, total, words);
    const isLast = phase === 'generating' && done === total;
    const now = performance.now() / 1000;
    if (this.#stream.isTTY || (!isLast && now - this.#lastLine < secondsBetweenLines)) return;
    this.#lastLine = now;
    const line = phase === 'reading' ? `reading ${done} real images` : `${done}/${total} ${words}`;
    this.#stream.write(`${line}\n`);
  }

  end(): void {
    this.#bar.end();
  }
}

function figures({ imagesPerSecond, rejected, failed, secondsLeft }: AugmentProgress): string {
  const left = Number.isFinite(secondsLeft) ? `, ${duration(secondsLeft)} left` : '';
  return `images, ${imagesPerSecond.toPrecision(3)} a second${left}, ${rejected} attempts rejected, ${failed} given up`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** What became of a set, a line a label. */
export function describeAugmentation({ out, complete, labels, reasons }: AugmentResult): string {
  const lines = Object.entries(labels).map(
    ([label, { planned, accepted, failed, rejected }]) =>
      `${label}: ${accepted} of ${planned} images, ${failed} given up, ${rejected} attempts rejected`,
  );
  const why = Object.entries(reasons).map(([reason, count]) => `${reason} ${count}`);
  if (why.length > 0) lines.push(`rejected for: ${why.join(', ')}`);
  lines.push(
    complete
      ? `The set is complete: ${out}/metadata.jsonl. Every image is synthetic and says so; not for diagnosis.`
      : `The set is not complete: other processes have work left, or have to be started again.`,
  );
  return `${lines.join('\n')}\n`;
}
