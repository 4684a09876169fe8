import { join } from 'node:path';
import { z } from 'zod';
import { invalidArgument, LatentrayError } from './errors.js';
import { parseConfig } from './json.js';
import { exists, readJsonObject } from './models/json-files.js';
import { addon, type JobOptions, runJob } from './native/addon.js';
import type { CancelToken, SchedulerHandle, TensorHandle } from './native/addon-types.js';
import { NativeObject } from './native/native-object.js';
import { type NoiseSource, noiseHandleOf } from './noise-source.js';
import { checkedLater, checkPath, jobOptions, parseOptions } from './parse-options.js';
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
const stepOptions = z.strictObject({
  ...jobOptions.shape,
  eta: z.number().min(0).max(1).default(0),
  noise: checkedLater<NoiseSource>(),
});

/**
 * A sampler: which timesteps a run visits and how one step goes from noisy latents to less noisy ones.
 * Every scheduler that diffusers has for Stable Diffusion, by diffusers' class names or by the short names
 * `ddpm ddim pndm lms euler euler_ancestral heun dpmpp_2m dpmpp_2m_sde dpmpp_3m dpmpp_2s unipc kdpm2
 * kdpm2_ancestral deis lcm tcd`; the suffix `_karras` turns Karras sigmas on.
 */
export class Scheduler extends NativeObject {
  readonly #handle: SchedulerHandle;
  readonly #given: SchedulerConfig;

  private constructor(handle: SchedulerHandle, given: SchedulerConfig) {
    super(handle);
    this.#handle = handle;
    this.#given = given;
  }

  /**
   * Reads scheduler_config.json of a folder, or config.json where it has none.
   *
   * @param overrides keys that replace the config's.
   * @throws `ERR_MODEL_NOT_FOUND`, or `ERR_CONFIG_INVALID` naming the key.
   */
  static async load(path: string, overrides: SchedulerConfig = {}): Promise<Scheduler> {
    checkPath(path);
    const file = (await exists(join(path, 'scheduler_config.json')))
      ? join(path, 'scheduler_config.json')
      : join(path, 'config.json');
    const config = await readJsonObject(file);
    if (typeof config._class_name === 'string') return Scheduler.create(config, overrides);
    const found = JSON.stringify(config._class_name) ?? 'nothing';
    throw new LatentrayError(
      'ERR_CONFIG_INVALID',
      `${file}: '_class_name': expected a scheduler's class, found ${found}`,
      { path: file, key: '_class_name' },
    );
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

  /**
   * Another class with this one's config: keys that both have are kept, as diffusers' `from_config` does.
   *
   * @param name a short name or diffusers' class name.
   * @throws `ERR_CONFIG_INVALID` naming the key, or the names that there are.
   */
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
    return parseConfig(this.#handle.config, 'scheduler') as SchedulerConfig;
  }

  /**
   * Chooses a run's timesteps: how many, or which. Forgets an earlier run.
   *
   * @param steps from 1 to the config's `num_train_timesteps` (1000); or `timesteps` in it, descending; or
   * `sigmas`, descending, for the schedulers that take them (Euler).
   * @throws `ERR_INVALID_ARG` for what the scheduler cannot run.
   */
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

  /** The run's training timesteps, descending, one a model call; empty before `setTimesteps`. */
  get timesteps(): readonly number[] {
    return this.#handle.timesteps;
  }

  /** The run's noise levels, the final one included; undefined for schedulers without. */
  get sigmas(): readonly number[] | undefined {
    const { sigmas } = this.#handle;
    return sigmas.length > 0 ? sigmas : undefined;
  }

  /** The standard deviation that initial noise must have: 1, or about the largest sigma. */
  get initNoiseSigma(): number {
    return this.#handle.initNoiseSigma;
  }

  /** Model calls a step: 2 for Heun and KDPM2, which list each in `timesteps`. */
  get order(): number {
    return this.#handle.order;
  }

  /**
   * What the model sees of `sample` at the run's step `index` (from 0 to `timesteps.length − 1`), in the same
   * shape: the sample itself, or over sqrt(σ² + 1) (Euler, Heun, LMS, KDPM2).
   *
   * @throws `ERR_INVALID_ARG` for an index outside the run, or before `setTimesteps`.
   */
  scaleModelInput(sample: Tensor, index: number, options: JobOptions = {}): Promise<Tensor> {
    return tensorJob('scaleModelInput', options, (token) =>
      addon().schedulerScaleModelInput(
        this.#handle,
        handleOf(sample, 'sample'),
        this.#index(index),
        token,
      ),
    );
  }

  /**
   * One step back in time: the less noisy latents, of `sample`'s shape. Steps of a run are made in order,
   * because some schedulers remember earlier predictions.
   *
   * @param modelOutput [N, C, H, W], the model's prediction at this step (`prediction_type`).
   * @param index the run's step, from 0 to `timesteps.length − 1`.
   * @param sample [N, C, H, W], the noisy latents, not scaled.
   * @param options `eta`: DDIM's and TCD's noise, 0 … 1, by default 0; `noise`: what stochastic schedulers
   * draw from.
   * @throws `ERR_INVALID_ARG` for an index outside the run, before `setTimesteps`, or where `noise` is needed
   * and not given; `ERR_SHAPE` when the two tensors' shapes differ.
   */
  async step(
    modelOutput: Tensor,
    index: number,
    sample: Tensor,
    options: SchedulerStepOptions = {},
  ): Promise<Tensor> {
    const { eta, noise, signal } = parseOptions(stepOptions, options, 'step');
    return tensorJob('step', { signal }, (token) =>
      addon().schedulerStep(
        this.#handle,
        handleOf(modelOutput, 'modelOutput'),
        this.#index(index),
        handleOf(sample, 'sample'),
        eta,
        noise ? noiseHandleOf(noise) : null,
        token,
      ),
    );
  }

  /**
   * Noises `original` [N, …] with `noise` of its shape to training timesteps, one a row or one for all: what a
   * model is trained on, and what image-to-image begins with.
   *
   * @param timesteps whole numbers from 0 to the config's `num_train_timesteps` − 1; for schedulers that have
   * noise levels (`sigmas`) those that the run visits.
   * @throws `ERR_SHAPE`; `ERR_INVALID_ARG` for other timesteps.
   */
  addNoise(
    original: Tensor,
    noise: Tensor,
    timesteps: number | readonly number[],
    options: JobOptions = {},
  ): Promise<Tensor> {
    return tensorJob('addNoise', options, (token) =>
      addon().schedulerAddNoise(
        this.#handle,
        handleOf(original, 'original'),
        handleOf(noise, 'noise'),
        timestepList(timesteps),
        token,
      ),
    );
  }

  /**
   * v-prediction's target for `sample` [N, …] and `noise` of its shape: sqrt(ᾱ) · noise − sqrt(1 − ᾱ) · sample
   * (Salimans and Ho 2022).
   *
   * @param timesteps whole numbers from 0 to the config's `num_train_timesteps` − 1, one a row or one for all.
   * @throws `ERR_SHAPE`; `ERR_INVALID_ARG` for other timesteps.
   */
  velocity(
    sample: Tensor,
    noise: Tensor,
    timesteps: number | readonly number[],
    options: JobOptions = {},
  ): Promise<Tensor> {
    return tensorJob('velocity', options, (token) =>
      addon().schedulerVelocity(
        this.#handle,
        handleOf(sample, 'sample'),
        handleOf(noise, 'noise'),
        timestepList(timesteps),
        token,
      ),
    );
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

function timestepList(timesteps: number | readonly number[]): readonly number[] {
  const list = typeof timesteps === 'number' ? [timesteps] : timesteps;
  if (Array.isArray(list) && list.length > 0 && list.every(Number.isFinite)) return list;
  throw invalidArgument('timesteps', 'a number, or an array of numbers', timesteps);
}

async function tensorJob(
  name: string,
  options: JobOptions,
  start: (token: CancelToken | undefined) => Promise<TensorHandle>,
): Promise<Tensor> {
  const { signal } = parseOptions(jobOptions, options, name);
  return new Tensor(await runJob(signal, start));
}
