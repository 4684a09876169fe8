import type { TrainProgress, TrainStep } from '../index.js';
import { ProgressBar } from './progress-bar.js';

/** How often a log that is no terminal gets a line. */
const secondsBetweenLines = 30;

/** What a run tells, on stderr: a bar on a terminal, elsewhere a line now and then. */
export class TrainReport {
  readonly #stream: NodeJS.WriteStream;
  #phase = '';
  #bar: ProgressBar;
  #lastLine = Number.NEGATIVE_INFINITY;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
    this.#bar = new ProgressBar('', stream);
  }

  /** Of what comes before steps and between them; steps have more to tell. */
  progress({ phase, done, total }: TrainProgress): void {
    if (phase === 'training') return;
    this.#enter(phase);
    this.#bar.update(done, total);
    this.#line(`${phase} ${done}/${total}`, false);
  }

  step(event: TrainStep): void {
    this.#enter('training');
    this.#bar.update(event.step, event.steps, figures(event));
    this.#line(`step ${event.step}/${event.steps} ${figures(event)}`, event.step === event.steps);
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

  #line(text: string, isLast: boolean): void {
    if (this.#stream.isTTY) return;
    const now = performance.now() / 1000;
    if (!isLast && now - this.#lastLine < secondsBetweenLines) return;
    this.#lastLine = now;
    this.#stream.write(`${text}\n`);
  }
}

function figures(event: TrainStep): string {
  return [
    `loss ${event.loss.toPrecision(4)}`,
    `rate ${event.learningRate.toExponential(2)}`,
    `${event.imagesPerSecond.toPrecision(3)} images/s`,
    `${Math.round(event.memory / 2 ** 20)} MiB`,
    `${duration(event.secondsLeft)} left`,
  ].join(', ');
}

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
