/** How the learning rate goes on after warm-up: diffusers' names (optimization.py). */
export type LearningRateSchedule =
  | 'constant'
  | 'constant_with_warmup'
  | 'linear'
  | 'cosine'
  | 'cosine_with_restarts'
  | 'polynomial';

/** @internal */
export const learningRateSchedules = [
  'constant',
  'constant_with_warmup',
  'linear',
  'cosine',
  'cosine_with_restarts',
  'polynomial',
] as const satisfies readonly LearningRateSchedule[];

/** @internal Whether a step's rate depends on how many steps there will be. */
export function dependsOnLength(schedule: LearningRateSchedule): boolean {
  return schedule !== 'constant' && schedule !== 'constant_with_warmup';
}

/** @internal What the rate of a step follows from. */
export interface LearningRateOptions {
  readonly learningRate: number;
  readonly lrScheduler: LearningRateSchedule;
  readonly lrWarmupSteps: number;
  readonly lrNumCycles: number;
  readonly lrPower: number;
  readonly maxTrainSteps: number;
}

/** Where a polynomial schedule ends. */
const polynomialEnd = 1e-7;

/** @internal The learning rate of a step, counted from 0. */
export function learningRateAt(step: number, options: LearningRateOptions): number {
  const { learningRate, lrScheduler, lrWarmupSteps: warmup, maxTrainSteps: steps } = options;
  if (lrScheduler === 'constant') return learningRate;
  if (step < warmup) return learningRate * (step / Math.max(1, warmup));
  if (lrScheduler === 'constant_with_warmup') return learningRate;
  if (lrScheduler === 'polynomial') return polynomial(step, options);
  const length = Math.max(1, steps - warmup);
  if (lrScheduler === 'linear') return learningRate * Math.max(0, (steps - step) / length);
  return learningRate * decay[lrScheduler]((step - warmup) / length, options.lrNumCycles);
}

/** The share of the rate that is left after a share of the steps. */
const decay = {
  cosine: (progress: number) => Math.max(0, (1 + Math.cos(Math.PI * progress)) / 2),
  cosine_with_restarts: (progress: number, cycles: number) => {
    if (progress >= 1) return 0;
    return Math.max(0, (1 + Math.cos(Math.PI * ((cycles * progress) % 1))) / 2);
  },
};

function polynomial(step: number, options: LearningRateOptions): number {
  const { learningRate, lrWarmupSteps: warmup, lrPower, maxTrainSteps: steps } = options;
  if (step > steps) return polynomialEnd;
  const left = 1 - (step - warmup) / (steps - warmup);
  return (learningRate - polynomialEnd) * left ** lrPower + polynomialEnd;
}
