import { z } from 'zod';
import { invalidArgument } from '../errors.js';
import { changedConfig } from '../json.js';
import type { JobOptions } from '../native/addon.js';
import type { ModelSource } from '../native/addon-types.js';
import { toSeed } from '../noise-source.js';
import { jobOptions } from '../parse-options.js';
import { type ModelFolder, sourceOf } from './model-folder.js';

/** How a model is made that has learned nothing yet. */
export interface NewModelOptions extends JobOptions {
  /** Draws the weights; 0 … 2⁶⁴ − 1. The same seed gives the same weights on every machine. @default 0 */
  readonly seed?: number | bigint | undefined;
  /** `'cpu'`, `'cuda'` or `'cuda:N'`. @default LATENTRAY_DEVICE, or 'cpu' */
  readonly device?: string | undefined;
}

/** @internal {@link NewModelOptions}. */
export const newModelOptions = z.strictObject({
  ...jobOptions.shape,
  seed: z.union([z.number(), z.bigint()]).default(0),
  device: z.string().optional(),
});

/** @internal What the addon needs to make a model, and the folder that it is said to come from. */
export function newModel(
  config: unknown,
  options: z.output<typeof newModelOptions>,
  name: string,
): { readonly folder: ModelFolder; readonly source: ModelSource; readonly seed: bigint } {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw invalidArgument('config', 'an object with what config.json holds', config);
  }
  const folder = {
    path: '',
    configPath: name,
    config: changedConfig(config as Record<string, unknown>, {}),
    weightFiles: [],
  };
  return { folder, source: sourceOf(folder, options), seed: toSeed(options.seed) };
}
