import type { JobOptions } from './native/addon.js';
import type { SchedulerStepOptions, Steps } from './scheduler.js';
import type { Tensor } from './tensor.js';

/**
 * A sampler of your own, for `generate({ scheduler })`. {@link Scheduler} has this shape too, so that one can
 * wrap it. Steps are numbered from 0 by their place in `timesteps`; every method may be asynchronous. One
 * object serves one call at a time.
 */
export interface CustomScheduler {
  /** What the provenance calls it. @default the class's name */
  readonly name?: string;
  /** Chooses a run's timesteps, and forgets an earlier run. */
  setTimesteps(steps: Steps): void | Promise<void>;
  /** The run's training timesteps, read after `setTimesteps`. */
  readonly timesteps: readonly number[];
  /** The standard deviation that initial noise must have. @default 1 */
  readonly initNoiseSigma?: number;
  /** Model calls a step; a run starts and ends at multiples of it. @default 1 */
  readonly order?: number;
  /** What the model sees of `sample` at step `index`. @default the sample itself */
  scaleModelInput?(sample: Tensor, index: number, options: JobOptions): Tensor | Promise<Tensor>;
  /** One step back in time: the model's prediction and the sample, [N, C, h, w] → the next sample. */
  step(
    modelOutput: Tensor,
    index: number,
    sample: Tensor,
    options: SchedulerStepOptions,
  ): Tensor | Promise<Tensor>;
  /** Noises latents to one of the run's timesteps; needed where an image is the start. */
  addNoise?(
    original: Tensor,
    noise: Tensor,
    timestep: number,
    options: JobOptions,
  ): Tensor | Promise<Tensor>;
}

/** @internal */
export function isCustomScheduler(value: unknown): value is CustomScheduler {
  const { step, setTimesteps } = (value ?? {}) as Partial<CustomScheduler>;
  return typeof step === 'function' && typeof setTimesteps === 'function';
}
