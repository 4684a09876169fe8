import { z } from 'zod';
import { Autoencoder } from '../models/autoencoder.js';
import { TextEncoder } from '../models/text-encoder.js';
import { UNet } from '../models/unet.js';
import { placedJobOptions } from '../parse-options.js';
import type { Scheduler, SchedulerConfig } from '../scheduler.js';

/** `PipelineOptions`, checked. */
export const pipelineOptions = z.strictObject({
  ...placedJobOptions.shape,
  textEncoder: folderOr(TextEncoder),
  unet: folderOr(UNet),
  vae: folderOr(Autoencoder),
  scheduler: z
    .custom<string | SchedulerConfig | Scheduler>(isNameOrObject, 'expected a name or a config')
    .optional(),
});

/** A folder's path, or what was loaded from one. */
function folderOr<T>(Class: { prototype: T; name: string }) {
  const matches = (value: unknown) =>
    typeof value === 'string' || value instanceof (Class as unknown as new () => T);
  return z.custom<string | T>(matches, `expected a folder or a ${Class.name}`).optional();
}

function isNameOrObject(value: unknown): boolean {
  return typeof value === 'string' || (typeof value === 'object' && value !== null);
}
