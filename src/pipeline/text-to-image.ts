import { invalidArgument, LatentrayError } from '../errors.js';
import { parseOptions } from '../parse-options.js';
import {
  type GenerateOptions,
  generateOptions,
  type ParsedGenerateOptions,
} from './generate-options.js';
import { drawLatentNoise } from './image-latents.js';
import { type IdentifiedParts, isInpaintingUNet } from './parts.js';
import { type Generated, type RunContext, type RunStart, runPipeline } from './run.js';

/** Texts to images. */
export async function textToImage(
  parts: IdentifiedParts,
  options: GenerateOptions,
): Promise<Generated> {
  const parsed = parseOptions(generateOptions, options, 'generate');
  if (isInpaintingUNet(parts)) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      'generate: this U-Net paints inside of a mask and cannot start from nothing; call inpaint()',
    );
  }
  const size = sizeOf(parts, parsed);
  return runPipeline(parts, parsed, (context) => begin(parts, parsed, size, context));
}

async function begin(
  parts: IdentifiedParts,
  { latents, startStep, signal }: ParsedGenerateOptions,
  { width, height }: { width: number; height: number },
  { noise, count }: RunContext,
): Promise<RunStart> {
  if (startStep !== undefined && !latents) {
    throw invalidArgument('latents', 'a Tensor to go on from, with startStep', latents);
  }
  const { latentChannels, downscale } = parts.vae;
  const shape = [count, latentChannels, height / downscale, width / downscale];
  if (latents) checkLatents(latents.shape, shape);
  const settings = { kind: 'text-to-image', ...(startStep !== undefined && { startStep }) };
  if (startStep === undefined && latents) return { noise: latents, startStep: 0, settings };
  const drawn = await drawLatentNoise(parts, noise, shape, signal);
  return { noise: drawn, latents, startStep: startStep ?? 0, settings };
}

function checkLatents(actual: readonly number[], expected: readonly number[]): void {
  if (String(actual) === String(expected)) return;
  throw new LatentrayError(
    'ERR_SHAPE',
    `latents: expected shape [${expected}], received [${actual}]`,
    { expectedShape: expected, actualShape: actual },
  );
}

function sizeOf({ vae, unet }: IdentifiedParts, { width, height }: ParsedGenerateOptions) {
  const { downscale } = vae;
  const trained = Number(unet.config.sample_size ?? 64) * downscale;
  const size = { width: width ?? trained, height: height ?? trained };
  for (const [side, pixels] of Object.entries(size)) {
    if (pixels % downscale === 0) continue;
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `${side}: expected a multiple of ${downscale}, received ${pixels}`,
    );
  }
  return size;
}
