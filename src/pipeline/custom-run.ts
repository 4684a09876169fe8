import type { CustomScheduler } from '../custom-scheduler.js';
import { invalidArgument, LatentrayError } from '../errors.js';
import { runJob } from '../native/addon.js';
import { handleOf, Tensor } from '../tensor.js';
import type { DenoiseInputs, DenoiseStart, Run } from './denoise.js';
import type { ParsedDiffusionOptions } from './generate-options.js';

/** A run whose scheduler is the caller's: the loop of native/diffusion/denoising_loop.h, step for step. */
export async function startCustomRun(
  inputs: DenoiseInputs,
  scheduler: CustomScheduler,
  options: ParsedDiffusionOptions,
): Promise<Run> {
  const { start, steps } = inputs;
  await scheduler.setTimesteps(steps);
  const timesteps = timestepsFrom(scheduler, start.startStep);
  return new CustomRun(
    inputs,
    scheduler,
    options,
    timesteps,
    await begin(scheduler, start, options),
  );
}

class CustomRun implements Run {
  readonly timesteps: readonly number[];
  readonly #inputs: DenoiseInputs;
  readonly #scheduler: CustomScheduler;
  readonly #eta: number;
  #latents: Tensor;
  #made = 0;

  constructor(
    inputs: DenoiseInputs,
    scheduler: CustomScheduler,
    { eta }: ParsedDiffusionOptions,
    timesteps: readonly number[],
    latents: Tensor,
  ) {
    this.timesteps = timesteps;
    this.#inputs = inputs;
    this.#scheduler = scheduler;
    this.#eta = eta;
    this.#latents = latents;
  }

  /** A handle of its own, so that disposing of it leaves the run's. */
  latents(): Promise<Tensor> {
    return this.#latents.reshape(this.#latents.shape);
  }

  async step(signal: AbortSignal | undefined): Promise<void> {
    const { predictor, start, noise } = this.#inputs;
    const scheduler = this.#scheduler;
    const index = start.startStep + this.#made;
    const sample = this.#latents;
    const seen = scheduler.scaleModelInput
      ? await scheduler.scaleModelInput(sample, index, { signal })
      : sample;
    checkTensor('scaleModelInput', seen, sample);
    const timestep = this.timesteps[this.#made] as number;
    const output = new Tensor(
      await runJob(signal, (token) =>
        predictor.predict(handleOf(seen), timestep, this.#made, this.timesteps.length, token),
      ),
    );
    const options = { eta: this.#eta, noise, signal };
    const next = await scheduler.step(output, index, sample, options);
    checkTensor('step', next, sample);
    signal?.throwIfAborted();
    this.#latents = await this.#withKnownRegion(next, signal);
    this.#made += 1;
  }

  async #withKnownRegion(latents: Tensor, signal: AbortSignal | undefined): Promise<Tensor> {
    const { known, noise } = this.#inputs.start;
    if (!known) return latents;
    const next = this.timesteps[this.#made + 1];
    const original =
      next === undefined
        ? known.imageLatents
        : await noised(this.#scheduler, known.imageLatents, noise, next, signal);
    const painted = await latents.mul(known.mask);
    const kept = await original.mul(await (await known.mask.mul(-1)).add(1));
    return kept.add(painted);
  }

  dispose(): void {}
}

async function begin(
  scheduler: CustomScheduler,
  { noise, imageLatents, latents, startStep }: DenoiseStart,
  { signal }: ParsedDiffusionOptions,
): Promise<Tensor> {
  if (latents) return latents.to({ dtype: noise.dtype, device: noise.device });
  if (imageLatents) {
    const timestep = scheduler.timesteps[startStep] as number;
    return noised(scheduler, imageLatents, noise, timestep, signal);
  }
  return noise.mul(scheduler.initNoiseSigma ?? 1);
}

async function noised(
  scheduler: CustomScheduler,
  original: Tensor,
  noise: Tensor,
  timestep: number,
  signal: AbortSignal | undefined,
): Promise<Tensor> {
  if (!scheduler.addNoise) {
    throw invalidArgument('scheduler.addNoise', 'a function, to start from an image', undefined);
  }
  const result = await scheduler.addNoise(original, noise, timestep, { signal });
  checkTensor('addNoise', result, original);
  return result;
}

function timestepsFrom({ timesteps, order = 1 }: CustomScheduler, startStep: number): number[] {
  const valid =
    Array.isArray(timesteps) && timesteps.length > 0 && timesteps.every(Number.isFinite);
  if (!valid) throw invalidArgument('scheduler.timesteps', 'at least one number', timesteps);
  if (startStep >= timesteps.length || startStep % order !== 0) {
    const expected = `less than ${timesteps.length} and a multiple of ${order} (the scheduler's order)`;
    throw invalidArgument('startStep', expected, startStep);
  }
  return timesteps.slice(startStep);
}

function checkTensor(method: string, value: unknown, like: Tensor): asserts value is Tensor {
  if (!(value instanceof Tensor)) {
    throw invalidArgument(`scheduler.${method}()`, 'to give a Tensor', value);
  }
  if (String(value.shape) === String(like.shape)) return;
  throw new LatentrayError(
    'ERR_SHAPE',
    `scheduler.${method}(): expected a tensor of the sample's shape [${like.shape}], received [${value.shape}]`,
    { expectedShape: like.shape, actualShape: value.shape },
  );
}
