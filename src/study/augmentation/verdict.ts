import type { Interval } from './auroc-intervals.js';
import type { TrainingArm } from './cells.js';

/** Whether synthetic images help: what the interval of the difference says. */
export type Verdict = 'helps' | 'harms' | 'no-difference' | 'unknown';

/** @internal */
export const armNames: Readonly<Record<TrainingArm, string>> = {
  real: 'real images alone',
  'real+classical': 'real images and classical copies',
  'real+synthetic': 'real and synthetic images',
  synthetic: 'synthetic images alone',
  'synthetic-then-real': 'synthetic images first, then real ones',
};

/** @internal An interval that holds 0 says nothing. */
export function verdictOf({ value, lower, upper }: Interval): Verdict {
  if (![value, lower, upper].every(Number.isFinite)) return 'unknown';
  if (lower > 0) return 'helps';
  return upper < 0 ? 'harms' : 'no-difference';
}

/** @internal The verdict of one way of training as a plain sentence. */
export function sentenceOf(
  size: number,
  arm: TrainingArm,
  auroc: Interval,
  real: Interval,
  gain: Interval,
): string {
  const figures = `mean AUROC ${spelled(auroc)} against ${spelled(real)}, a difference of ${spelled(gain)}`;
  const begin = `${size} real images, ${armNames[arm]}`;
  switch (verdictOf(gain)) {
    case 'helps':
      return `${begin}: better than ${armNames.real}: ${figures}.`;
    case 'harms':
      return `${begin}: WORSE than ${armNames.real}: ${figures}.`;
    case 'no-difference':
      return `${begin}: did NOT help: ${figures}, which chance explains.`;
    default:
      return `${begin}: cannot be told from these images: ${figures}.`;
  }
}

/** @internal What all of it comes to. */
export function conclusionOf(
  rows: readonly {
    readonly size: number;
    readonly arm: TrainingArm;
    readonly verdict: Verdict;
    readonly overClassical: Verdict;
  }[],
): string {
  const synthetic = rows.filter(({ arm }) => arm !== 'real' && arm !== 'real+classical');
  const helped = synthetic.filter(({ verdict }) => verdict === 'helps');
  if (helped.length === 0) {
    const harmed = synthetic.filter(({ verdict }) => verdict === 'harms').length;
    return `Synthetic images did not help, at no number of real images and in no way of training${harmed > 0 ? `; in ${harmed} of ${synthetic.length} cases they made the classifier worse` : ''}.`;
  }
  const beyond = helped.filter(({ overClassical }) => overClassical === 'helps').length;
  const cases = `in ${helped.length} of ${synthetic.length} cases`;
  if (beyond === 0) {
    return `Synthetic images helped ${cases}, but never more than turned and moved copies of the real images, which cost nothing.`;
  }
  return `Synthetic images helped ${cases}, and in ${beyond} of them more than turned and moved copies of the real images.`;
}

/** @internal 0.712 (0.664 to 0.757) */
export function spelled({ value, lower, upper }: Interval): string {
  return `${figure(value)} (${figure(lower)} to ${figure(upper)})`;
}

function figure(value: number): string {
  return Number.isFinite(value) ? value.toFixed(3) : '–';
}
