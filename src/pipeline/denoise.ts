import type { UNet } from '../models/unet.js';
import { addon, runJob } from '../native/addon.js';
import type { DenoisingRunHandle } from '../native/addon-types.js';
import type { Scheduler } from '../scheduler.js';
import { handleOf, Tensor } from '../tensor.js';
import type { ParsedGenerateOptions, StepEvent } from './generate-options.js';
import type { GuidedEmbeddings } from './prompt-embeddings.js';

/** What the loop needs besides the call's options. */
export interface DenoiseInputs {
  readonly unet: UNet;
  readonly scheduler: Scheduler;
  readonly embeddings: GuidedEmbeddings;
  readonly seeds: readonly bigint[];
  /** Of the latents. */
  readonly height: number;
  readonly width: number;
  /** When the call began, on performance.now()'s clock. */
  readonly startedAt: number;
}

/**
 * From noise to latents. Each step is one native job, so that between steps other pipelines get their
 * turn, and the caller may look at the latents or stop.
 */
export async function denoise(
  inputs: DenoiseInputs,
  options: ParsedGenerateOptions,
): Promise<Tensor> {
  const run = await start(inputs, options);
  try {
    const { timesteps } = run;
    for (const [index, timestep] of timesteps.entries()) {
      await runJob(options.signal, (token) => run.step(token));
      const progress = {
        stage: 'denoise',
        step: index + 1,
        steps: timesteps.length,
        elapsedMs: performance.now() - inputs.startedAt,
      } as const;
      options.onProgress?.(progress);
      if (options.onStep) await report(run, { ...progress, timestep }, options.onStep);
    }
    return new Tensor(run.latents());
  } finally {
    run.dispose();
  }
}

async function report(
  run: DenoisingRunHandle,
  event: Omit<StepEvent, 'latents'>,
  onStep: (event: StepEvent) => unknown,
): Promise<void> {
  await onStep({ ...event, latents: new Tensor(run.latents()) });
}

function start(
  { unet, scheduler, embeddings, seeds, height, width }: DenoiseInputs,
  options: ParsedGenerateOptions,
): Promise<DenoisingRunHandle> {
  const { prompt, negative } = embeddings;
  return runJob(options.signal, (token) =>
    addon().startDenoising(
      unet.handle,
      scheduler.handle,
      {
        promptEmbeddings: handleOf(prompt.states),
        promptMask: prompt.mask && handleOf(prompt.mask),
        negativePromptEmbeddings: negative && handleOf(negative.states),
        negativePromptMask: negative?.mask ? handleOf(negative.mask) : null,
        guidanceScale: options.guidanceScale,
        guidanceRescale: options.guidanceRescale,
        eta: options.eta,
        steps: options.steps,
        seeds: [...seeds],
        height,
        width,
        latents: options.latents ? handleOf(options.latents) : null,
      },
      token,
    ),
  );
}
