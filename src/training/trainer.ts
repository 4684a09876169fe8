import { z } from 'zod';
import { invalidArgument } from '../errors.js';
import { type JobOptions, runJob } from '../native/addon.js';
import type { TrainerHandle } from '../native/addon-types.js';
import { NativeObject } from '../native/native-object.js';
import { checkPath, jobOptions, parseOptions } from '../parse-options.js';
import { Tensor } from '../tensor.js';
import { processGroupOption } from './process-group.js';
import { emaOptions, optimizerOptions } from './trainer-options.js';

/** Where in the run a batch stands. */
export interface StepPosition extends JobOptions {
  /** The step, from 0. */
  readonly step: number;
  /** How many batches make one step. @default 1 */
  readonly microSteps?: number;
}

/** @internal {@link StepPosition}. */
export const stepPosition = z.strictObject({
  ...jobOptions.shape,
  step: z.int().min(0),
  microSteps: z.int().min(1).default(1),
});

/** @internal The options that every trainer has. */
export const commonTrainerOptions = {
  ...jobOptions.shape,
  optimizer: optimizerOptions.prefault({}),
  maxGradNorm: z.number().positive().optional(),
  ema: emaOptions.optional(),
  precision: z.enum(['float32', 'bfloat16', 'float16']).default('float32'),
  seed: z.union([z.number(), z.bigint()]).default(0),
  processGroup: processGroupOption,
};

/** What every trainer does once a step's gradients are there. */
export abstract class Trainer<Update> extends NativeObject {
  readonly #handle: TrainerHandle<Update>;

  /** @internal */
  protected constructor(handle: TrainerHandle<Update>) {
    super(handle);
    this.#handle = handle;
  }

  /**
   * Ends a step: averages gradients over the processes, clips them and changes the weights.
   *
   * @param learningRate - From 0 on.
   * @throws `ERR_INVALID_ARG` before all of the step's batches are there; `ERR_NON_FINITE` for gradients that are
   * no numbers (in float16 the step is skipped); `ERR_PROCESS_GROUP`.
   */
  async update(learningRate: number, options: JobOptions = {}): Promise<Update> {
    const { signal } = parseOptions(jobOptions, options, 'update');
    if (!Number.isFinite(learningRate) || learningRate < 0)
      throw invalidArgument('learningRate', 'a number from 0 on', learningRate);
    return runJob(signal, async (token) => this.#handle.update(learningRate, token));
  }

  /** Copies of the gradients that the step has so far, by parameter. */
  async gradients(options: JobOptions = {}): Promise<Record<string, Tensor>> {
    const { signal } = parseOptions(jobOptions, options, 'gradients');
    const found = await runJob(signal, async (token) => this.#handle.gradients(token));
    return Object.fromEntries(
      Object.entries(found).map(([name, handle]) => [name, new Tensor(handle)]),
    );
  }

  /** Puts the averaged weights into the model (`true`), or its own back. @throws `ERR_INVALID_ARG` without `ema`. */
  async useAverage(average: boolean, options: JobOptions = {}): Promise<void> {
    const { signal } = parseOptions(jobOptions, options, 'useAverage');
    await runJob(signal, async (token) => this.#handle.useAverage(average, token));
  }

  /**
   * Writes everything that changes while training: the weights, the optimizers' state, the average. A run that
   * goes on from it goes on bit for bit, with any number of processes.
   *
   * @throws `ERR_WRITE`; `ERR_INVALID_ARG` while the averaged weights are in the model.
   */
  async saveState(path: string, options: JobOptions = {}): Promise<void> {
    const { signal } = parseOptions(jobOptions, options, 'saveState');
    checkPath(path);
    await runJob(signal, async (token) => this.#handle.saveState(path, token));
  }

  /** Goes on from what {@link saveState} wrote. @throws `ERR_WEIGHTS_…` for the state of other options. */
  async loadState(path: string, options: JobOptions = {}): Promise<void> {
    const { signal } = parseOptions(jobOptions, options, 'loadState');
    checkPath(path);
    await runJob(signal, async (token) => this.#handle.loadState(path, token));
  }
}
