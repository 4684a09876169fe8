import type { CustomScheduler } from '../custom-scheduler.js';
import { isCustomScheduler } from '../custom-scheduler.js';
import { LatentrayError } from '../errors.js';
import type { Autoencoder } from '../models/autoencoder.js';
import type { ControlNet } from '../models/controlnet.js';
import type { SafetyChecker } from '../models/safety-checker.js';
import type { TextEncoder } from '../models/text-encoder.js';
import type { TextProjection } from '../models/text-projection.js';
import type { UNet } from '../models/unet.js';
import { Scheduler, type SchedulerConfig } from '../scheduler.js';
import type { LoraAdapter } from './lora-adapters.js';
import type { SafetyCheck } from './safety-check.js';

/** The models that a run is made with. */
export interface PipelineParts {
  readonly textEncoder: TextEncoder;
  /** Where another text encoder took CLIP's place. */
  readonly textProjection: TextProjection | undefined;
  readonly unet: UNet;
  readonly vae: Autoencoder;
  readonly scheduler: Scheduler;
  readonly controlNets: readonly ControlNet[];
  readonly safetyChecker: SafetyChecker | SafetyCheck | undefined;
}

/** Parts with what identifies them. */
export interface IdentifiedParts extends PipelineParts {
  /** The LoRA adapters at their scales. */
  readonly lora: readonly LoraAdapter[];
  digest(): Promise<string>;
}

/** A pipeline's own scheduler, or the one that is asked for. */
export function chooseScheduler<Wanted extends Scheduler | CustomScheduler>(
  own: Scheduler,
  wanted: string | SchedulerConfig | Wanted | undefined,
): Scheduler | Wanted {
  if (wanted === undefined) return own;
  if (typeof wanted === 'string') return own.as(wanted);
  if (wanted instanceof Scheduler || isCustomScheduler(wanted)) return wanted as Wanted;
  return Scheduler.create(wanted as SchedulerConfig);
}

/** Latent channels of an inpainting U-Net's input: the latents, the mask, the masked image's latents. */
export function isInpaintingUNet({ unet, vae }: Pick<PipelineParts, 'unet' | 'vae'>): boolean {
  return unet.inChannels === 2 * vae.latentChannels + 1;
}

/** `ERR_CONFIG_INVALID` where parts do not go together. */
export function checkParts(parts: PipelineParts): void {
  const { unet, vae, controlNets } = parts;
  if (vae.latentChannels !== unet.inChannels && !isInpaintingUNet(parts)) {
    throw new LatentrayError(
      'ERR_CONFIG_INVALID',
      `the autoencoder has ${vae.latentChannels} latent channels, the U-Net takes ` +
        `${unet.inChannels} (in_channels): they do not go together`,
    );
  }
  for (const controlNet of controlNets) checkControlNet(controlNet, parts);
}

function checkControlNet(controlNet: ControlNet, { unet, vae }: PipelineParts): void {
  const facts: [string, number, number][] = [
    ['cross_attention_dim', controlNet.crossAttentionDim, unet.crossAttentionDim],
    ['in_channels', controlNet.inChannels, vae.latentChannels],
    ['pixels a latent', controlNet.downscale, vae.downscale],
  ];
  for (const [name, found, expected] of facts) {
    if (found === expected) continue;
    throw new LatentrayError(
      'ERR_CONFIG_INVALID',
      `the ControlNet's ${name} is ${found}, the pipeline's ${expected}: they do not go together`,
    );
  }
}
