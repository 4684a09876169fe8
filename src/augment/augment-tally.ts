import type { Truncation } from '../pipeline/prompt-embeddings.js';
import type { Attempt, AttemptLog } from './attempt-log.js';
import type { AugmentCallbacks, AugmentResult, LabelOutcome } from './augment-events.js';
import type { LabelPlan } from './label-plan.js';
import type { Slot } from './slots.js';

/** @internal Counts what a process does, and tells of it. */
export class AugmentTally {
  readonly #onProgress: NonNullable<AugmentCallbacks['onProgress']>;
  readonly #onWarning: NonNullable<AugmentCallbacks['onWarning']>;
  readonly #warned = new Set<string>();
  #startedAt = performance.now();
  #total = 0;
  #accepted = 0;
  #rejected = 0;
  #failed = 0;
  /** Settled before this start. */
  #found = 0;

  constructor({ onProgress, onWarning }: AugmentCallbacks) {
    this.#onProgress = onProgress ?? (() => {});
    this.#onWarning = onWarning ?? ((message) => process.stderr.write(`latentray: ${message}\n`));
  }

  /** A real image was read. */
  read(done: number): void {
    const rate = done / this.#seconds();
    this.#tell('reading', { done, total: 0, imagesPerSecond: rate, secondsLeft: 0 });
  }

  /** The making begins, with what earlier processes have left. */
  start(log: AttemptLog, slots: readonly Slot[], maxAttempts: number): void {
    this.#startedAt = performance.now();
    this.#total = slots.length;
    for (const slot of slots) {
      const rejected = log.rejectedOf(slot, maxAttempts).length;
      this.#rejected += rejected;
      if (log.acceptedOf(slot, maxAttempts)) this.#accepted += 1;
      else if (rejected === maxAttempts) this.#failed += 1;
    }
    this.#found = this.#settled;
    this.#progress();
  }

  /** @param isLast - Whether what did not pass is given up. */
  add(attempts: readonly Attempt[], isLast: boolean): void {
    const accepted = attempts.filter((attempt) => attempt.accepted).length;
    this.#accepted += accepted;
    this.#rejected += attempts.length - accepted;
    if (isLast) this.#failed += attempts.length - accepted;
    this.#progress();
  }

  warnOfTruncated(truncated: readonly Truncation[]): void {
    for (const { prompt, dropped } of truncated) {
      if (this.#warned.has(prompt)) continue;
      this.#warned.add(prompt);
      this.#onWarning(
        `a prompt is longer than the text encoder takes, and its last ${dropped.length} characters were cut`,
      );
    }
  }

  warnOfFailed(slots: readonly Slot[]): void {
    for (const { file } of slots) {
      this.#onWarning(`${file}: no attempt passed, and the set goes without it`);
    }
  }

  /** What became of a whole set, as far as it is known. */
  result(
    log: AttemptLog,
    plan: LabelPlan,
    slots: readonly Slot[],
    maxAttempts: number,
  ): Pick<AugmentResult, 'labels' | 'reasons'> {
    const reasons: Record<string, number> = {};
    const labels = [...plan].map(([label, planned]): [string, LabelOutcome] => {
      const outcome = { planned, accepted: 0, failed: 0, rejected: 0 };
      for (const slot of slots.filter((each) => each.label === label)) {
        const rejected = log.rejectedOf(slot, maxAttempts);
        outcome.rejected += rejected.length;
        if (log.acceptedOf(slot, maxAttempts)) outcome.accepted += 1;
        else if (rejected.length === maxAttempts) outcome.failed += 1;
        for (const reason of rejected.flatMap((each) => each.reasons)) {
          reasons[reason] = (reasons[reason] ?? 0) + 1;
        }
      }
      return [label, outcome];
    });
    return { labels: Object.fromEntries(labels), reasons };
  }

  get #settled(): number {
    return this.#accepted + this.#failed;
  }

  #progress(): void {
    const done = this.#settled;
    const rate = (done - this.#found) / this.#seconds();
    const left = this.#total - done;
    const secondsLeft = left === 0 ? 0 : rate > 0 ? left / rate : Number.NaN;
    this.#tell('generating', { done, total: this.#total, imagesPerSecond: rate, secondsLeft });
  }

  #tell(
    phase: 'reading' | 'generating',
    figures: { done: number; total: number; imagesPerSecond: number; secondsLeft: number },
  ): void {
    const counts = { accepted: this.#accepted, rejected: this.#rejected, failed: this.#failed };
    this.#onProgress({ phase, ...figures, ...counts });
  }

  #seconds(): number {
    return Math.max((performance.now() - this.#startedAt) / 1000, 1e-3);
  }
}
