import { join } from 'node:path';
import { invalidArgument, LatentrayError } from './errors.js';
import { parsePythonJson } from './json.js';
import { exists, readJsonObject } from './models/model-folder.js';
import { addon, type JobOptions, runJob } from './native/addon.js';
import type { CancelToken, SchedulerHandle, TensorHandle } from './native/addon-types.js';
import { type NoiseSource, noiseHandleOf } from './noise-source.js';
import { handleOf, Tensor } from './tensor.js';

/** A scheduler_config.json of diffusers: `_class_name` and its keys. */
export type SchedulerConfig = Readonly<Record<string, unknown>>;

/** A run's timesteps: how many, which, or which noise levels (descending, the final one included). */
export type Steps =
  | number
  | { readonly timesteps: readonly number[] }
  | { readonly sigmas: readonly number[] };

/** What {@link Scheduler.step} takes beside the tensors. */
export interface SchedulerStepOptions extends JobOptions {
  /** DDIM's and TCD's noise, 0 … 1. @default 0 */
  readonly eta?: number;
  /** What stochastic schedulers draw from. */
  readonly noise?: NoiseSource;
}

/**
 * A sampler: which timesteps a run visits and how one step goes from noisy latents to less noisy ones.
 * Every scheduler that diffusers has for Stable Diffusion, by diffusers' class names or by the short names
 * `ddpm ddim pndm lms euler euler_ancestral heun dpmpp_2m dpmpp_2m_sde dpmpp_3m dpmpp_2s unipc kdpm2
 * kdpm2_ancestral deis lcm tcd`; the suffix `_karras` turns Karras sigmas on.
 */
export class Scheduler {
  readonly #handle: SchedulerHandle;
  readonly #given: SchedulerConfig;

  private constructor(handle: SchedulerHandle, given: SchedulerConfig) {
    this.#handle = handle;
    this.#given = given;
  }

  /**
   * Reads scheduler_config.json of a folder.
   *
   * @throws `ERR_MODEL_NOT_FOUND`, or `ERR_CONFIG_INVALID` naming the key.
   */
  static async load(path: string, overrides: SchedulerConfig = {}): Promise<Scheduler> {
    const file = (await exists(join(path, 'scheduler_config.json')))
      ? join(path, 'scheduler_config.json')
      : join(path, 'config.json');
    return Scheduler.create(await readJsonObject(file), overrides);
  }

  /**
   * A scheduler from a config with `_class_name`, or by a short name with diffusers' defaults.
   *
   * @param overrides keys that replace the config's.
   * @throws `ERR_CONFIG_INVALID` naming the key, or the names that there are.
   */
  static create(from: string | SchedulerConfig, overrides: SchedulerConfig = {}): Scheduler {
    if (typeof from !== 'string' && (typeof from !== 'object' || from === null)) {
      throw invalidArgument('scheduler', 'a name or a config', from);
    }
    const base = typeof from === 'string' ? {} : from;
    const name = typeof from === 'string' ? from : from._class_name;
    if (typeof name !== 'string') throw invalidArgument('scheduler._class_name', 'a string', name);
    return Scheduler.#named(name, base, overrides);
  }

  /** Another class with this one's config: keys that both have are kept, as diffusers' `from_config` does. */
  as(name: string, overrides: SchedulerConfig = {}): Scheduler {
    return Scheduler.#named(name, this.#given, overrides);
  }

  static #named(name: string, base: SchedulerConfig, overrides: SchedulerConfig): Scheduler {
    const handle = addon().createScheduler(name, JSON.stringify(base), JSON.stringify(overrides));
    return new Scheduler(handle, { ...base, ...overrides });
  }

  /** @internal */
  get handle(): SchedulerHandle {
    return this.#handle;
  }

  /** Every config key with its value, `_class_name` first. */
  get config(): SchedulerConfig {
    return parsePythonJson(this.#handle.config, 'scheduler') as SchedulerConfig;
  }

  /** Chooses a run's timesteps: how many, or which. Forgets an earlier run. */
  setTimesteps(steps: Steps): void {
    if (typeof steps === 'number') {
      if (!Number.isSafeInteger(steps) || steps < 1) {
        throw invalidArgument('steps', 'a positive integer', steps);
      }
      this.#handle.setTimesteps(steps);
    } else if (steps && 'timesteps' in steps) {
      this.#handle.setTimesteps({ timesteps: [...steps.timesteps] });
    } else if (steps && 'sigmas' in steps) {
      this.#handle.setTimesteps({ sigmas: [...steps.sigmas] });
    } else {
      throw invalidArgument('steps', 'a positive integer, { timesteps } or { sigmas }', steps);
    }
  }

  /** The run's timesteps, descending. */
  get timesteps(): readonly number[] {
    return this.#handle.timesteps;
  }

  /** The run's noise levels, the final one included; undefined for schedulers without. */
  get sigmas(): readonly number[] | undefined {
    const { sigmas } = this.#handle;
    return sigmas.length > 0 ? sigmas : undefined;
  }

  /** The standard deviation that initial noise must have. */
  get initNoiseSigma(): number {
    return this.#handle.initNoiseSigma;
  }

  /** Model calls a step: 2 for Heun and KDPM2, which list each in `timesteps`. */
  get order(): number {
    return this.#handle.order;
  }

  /** What the model sees of `sample` at the run's step `index` (counted from 0). */
  scaleModelInput(sample: Tensor, index: number, options: JobOptions = {}): Promise<Tensor> {
    return tensorJob(options, (token) =>
      addon().schedulerScaleModelInput(this.#handle, handleOf(sample), this.#index(index), token),
    );
  }

  /**
   * One step back in time.
   *
   * @param modelOutput [N, C, H, W], the model's prediction at this step.
   * @param index the run's step, counted from 0.
   * @param sample [N, C, H, W], the noisy latents.
   */
  step(
    modelOutput: Tensor,
    index: number,
    sample: Tensor,
    options: SchedulerStepOptions = {},
  ): Promise<Tensor> {
    const { eta = 0, noise } = options;
    return tensorJob(options, (token) =>
      addon().schedulerStep(
        this.#handle,
        handleOf(modelOutput),
        this.#index(index),
        handleOf(sample),
        eta,
        noise ? noiseHandleOf(noise) : null,
        token,
      ),
    );
  }

  /** Noises `original` [N, …] to training timesteps, one a row or one for all. */
  addNoise(
    original: Tensor,
    noise: Tensor,
    timesteps: number | readonly number[],
    options: JobOptions = {},
  ): Promise<Tensor> {
    return tensorJob(options, (token) =>
      addon().schedulerAddNoise(
        this.#handle,
        handleOf(original),
        handleOf(noise),
        [timesteps].flat(),
        token,
      ),
    );
  }

  /** v-prediction's target: sqrt(ᾱ) · noise − sqrt(1 − ᾱ) · sample. */
  velocity(
    sample: Tensor,
    noise: Tensor,
    timesteps: number | readonly number[],
    options: JobOptions = {},
  ): Promise<Tensor> {
    return tensorJob(options, (token) =>
      addon().schedulerVelocity(
        this.#handle,
        handleOf(sample),
        handleOf(noise),
        [timesteps].flat(),
        token,
      ),
    );
  }

  dispose(): void {
    this.#handle.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #index(index: number): number {
    const { length } = this.timesteps;
    if (Number.isSafeInteger(index) && index >= 0 && index < length) return index;
    if (length === 0) {
      throw new LatentrayError('ERR_INVALID_ARG', 'scheduler: call setTimesteps() before a step');
    }
    throw invalidArgument('index', `an integer from 0 to ${length - 1}`, index);
  }
}

async function tensorJob(
  options: JobOptions,
  start: (token: CancelToken | undefined) => Promise<TensorHandle>,
): Promise<Tensor> {
  return new Tensor(await runJob(options.signal, start));
}
