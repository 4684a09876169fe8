import type { AugmentProgress, AugmentResult } from '../index.js';
import { duration, PhaseReport } from './phase-report.js';

/** What the making of a set tells. */
export class AugmentReport extends PhaseReport {
  progress(event: AugmentProgress): void {
    const { phase, done, total } = event;
    const note = phase === 'reading' ? 'real images' : figures(event);
    const line = phase === 'reading' ? `reading ${done} real images` : `${done}/${total} ${note}`;
    this.show(event, { line, note, isLast: phase === 'generating' && done === total });
  }
}

function figures({ imagesPerSecond, rejected, failed, secondsLeft }: AugmentProgress): string {
  const left = Number.isFinite(secondsLeft) ? `, ${duration(secondsLeft)} left` : '';
  return `images, ${imagesPerSecond.toPrecision(3)} a second${left}, ${rejected} attempts rejected, ${failed} given up`;
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
