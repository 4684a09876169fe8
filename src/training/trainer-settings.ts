import type { AutoencoderTrainerOptions } from './autoencoder-trainer.js';
import type { RunContext } from './engine.js';

/** @internal What every trainer takes from a run's options. */
export function trainerSettings({
  options,
  group,
  signal,
}: RunContext): Pick<
  AutoencoderTrainerOptions,
  'optimizer' | 'precision' | 'seed' | 'maxGradNorm' | 'ema' | 'processGroup'
> & { readonly signal?: AbortSignal } {
  const { optimizer, precision, seed, maxGradNorm, ema } = options;
  return {
    optimizer,
    precision,
    seed,
    ...(maxGradNorm !== false && { maxGradNorm }),
    ...(ema !== false && { ema: ema === true ? {} : withoutUndefined(ema) }),
    ...(group && { processGroup: group }),
    ...(signal && { signal }),
  };
}

/** Zod gives optional entries as undefined. */
function withoutUndefined<T extends object>(
  value: T,
): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
