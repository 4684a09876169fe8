import type { CustomScheduler } from '../custom-scheduler.js';
import type { Image } from '../image/image.js';
import { addon, runJob } from '../native/addon.js';
import type {
  DenoisingRunHandle,
  NoisePredictorHandle,
  StepChoice,
} from '../native/addon-types.js';
import { type NoiseSource, noiseHandleOf } from '../noise-source.js';
import { Scheduler, type Steps } from '../scheduler.js';
import { handleOf, Tensor } from '../tensor.js';
import { startCustomRun } from './custom-run.js';
import type { ParsedDiffusionOptions } from './generate-options.js';

/** Where a run begins, and what it keeps. All tensors are [N, C, h, w]. */
export interface DenoiseStart {
  /** Of unit variance: the start itself, or what noises the image. */
  readonly noise: Tensor;
  /** The start is these, scaled, noised to `startStep`. */
  readonly imageLatents?: Tensor | undefined;
  /** The run goes on from these as they are. */
  readonly latents?: Tensor | undefined;
  /** Latents that stay the image's where the mask [N, 1, h, w] is 0. */
  readonly known?: { readonly mask: Tensor; readonly imageLatents: Tensor } | undefined;
  /** An index into the scheduler's timesteps. */
  readonly startStep: number;
}

/** What the loop needs besides the call's options. */
export interface DenoiseInputs {
  readonly predictor: NoisePredictorHandle;
  readonly scheduler: Scheduler | CustomScheduler;
  readonly steps: Steps;
  readonly start: DenoiseStart;
  /** What stochastic schedulers draw from. */
  readonly noise: NoiseSource;
  /** Latents as pictures, for whoever looks at a step. */
  readonly preview: (latents: Tensor, step: number) => Promise<Image[]>;
  /** When the call began, on performance.now()'s clock. */
  readonly startedAt: number;
}

/** Latents, and where the run can go on if it was interrupted. */
export interface Denoised {
  readonly latents: Tensor;
  readonly nextStep: number | undefined;
}

/** One run, whoever's scheduler it has. */
export interface Run {
  /** Of this run, from `startStep` on. */
  readonly timesteps: readonly number[];
  latents(): Promise<Tensor>;
  step(signal: AbortSignal | undefined): Promise<void>;
  dispose(): void;
}

/**
 * From noise to latents. Each step is one native job, so that between steps other pipelines get their
 * turn, and the caller may look at the latents or stop.
 */
export async function denoise(
  inputs: DenoiseInputs,
  options: ParsedDiffusionOptions,
): Promise<Denoised> {
  const { scheduler, start } = inputs;
  const order = scheduler.order ?? 1;
  const run =
    scheduler instanceof Scheduler
      ? await startNativeRun(inputs, scheduler, options)
      : await startCustomRun(inputs, scheduler, options);
  try {
    const steps = run.timesteps.length;
    let interrupted = false;
    for (const [index, timestep] of run.timesteps.entries()) {
      await run.step(options.signal);
      const step = index + 1;
      const elapsedMs = performance.now() - inputs.startedAt;
      const progress = { stage: 'denoise', step, steps, elapsedMs } as const;
      options.onProgress?.(progress);
      if (options.onStep) {
        const latents = await run.latents();
        const preview = () => inputs.preview(latents, step);
        const interrupt = () => {
          interrupted = true;
        };
        await options.onStep({ ...progress, timestep, latents, preview, interrupt });
      }
      const nextStep = start.startStep + step;
      if (interrupted && step < steps && nextStep % order === 0) {
        return { latents: await run.latents(), nextStep };
      }
    }
    return { latents: await run.latents(), nextStep: undefined };
  } finally {
    run.dispose();
  }
}

async function startNativeRun(
  { predictor, steps, start, noise }: DenoiseInputs,
  scheduler: Scheduler,
  { eta, signal }: ParsedDiffusionOptions,
): Promise<Run> {
  const { imageLatents, latents, known, startStep } = start;
  const run = await runJob(signal, (token) =>
    addon().startDenoising(
      predictor,
      scheduler.handle,
      steps as StepChoice,
      {
        noise: handleOf(start.noise),
        imageLatents: imageLatents ? handleOf(imageLatents) : null,
        latents: latents ? handleOf(latents) : null,
        known: known
          ? { mask: handleOf(known.mask), imageLatents: handleOf(known.imageLatents) }
          : null,
        startStep,
        eta,
        noiseSource: noiseHandleOf(noise),
      },
      token,
    ),
  );
  return nativeRun(run);
}

function nativeRun(run: DenoisingRunHandle): Run {
  return {
    timesteps: run.timesteps,
    latents: async () => new Tensor(run.latents()),
    step: (signal) => runJob(signal, (token) => run.step(token)),
    dispose: () => run.dispose(),
  };
}
