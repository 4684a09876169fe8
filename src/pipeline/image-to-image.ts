import { z } from 'zod';
import { LatentrayError } from '../errors.js';
import type { FitOptions } from '../image/fit-images.js';
import { parseOptions } from '../parse-options.js';
import type { Tensor } from '../tensor.js';
import {
  type DiffusionOptions,
  diffusionOptions,
  imageInput,
  type ParsedDiffusionOptions,
} from './generate-options.js';
import { checkPixelSize, drawLatentNoise, firstStep, sampleImageLatents } from './image-latents.js';
import { countOf, digestOf, type ImageInput, toPixels } from './input-images.js';
import { type IdentifiedParts, isInpaintingUNet } from './parts.js';
import { promptsOf } from './prompt-embeddings.js';
import { type Generated, type RunContext, type RunStart, runPipeline } from './run.js';

/** How images are changed. */
export interface ImageToImageOptions extends DiffusionOptions {
  /**
   * What to start from: one image for all prompts, or one for each. Images of one size, a multiple of the
   * autoencoder's downscale (8), or pixels [N, 3, H, W] in [0, 1].
   */
  readonly image: ImageInput;
  /**
   * 0 … 1: the share of the steps that is made, so how far the result may be from the image; 1 keeps next to
   * nothing of it. @default 0.8
   */
  readonly strength?: number;
  /** Brings Images to a size first. */
  readonly size?: FitOptions;
}

/** @internal What every kind of run that starts from an image takes. */
export const imageOptions = {
  ...diffusionOptions,
  image: imageInput,
  size: z
    .strictObject({
      width: z.number().int().positive(),
      height: z.number().int().positive(),
      fit: z.enum(['letterbox', 'centre-crop', 'stretch', 'none']).default('none'),
    })
    .optional(),
};

const imageToImageOptions = z.strictObject({
  ...imageOptions,
  strength: z.number().positive().max(1).default(0.8),
});

type ParsedImageToImageOptions = z.output<typeof imageToImageOptions>;

/** Images and texts to images. */
export async function imageToImage(
  parts: IdentifiedParts,
  options: ImageToImageOptions,
): Promise<Generated> {
  const parsed = parseOptions(imageToImageOptions, options, 'imageToImage');
  if (isInpaintingUNet(parts)) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      'imageToImage: this U-Net paints inside of a mask; call inpaint()',
    );
  }
  const { image, size, signal } = parsed;
  const pixels = await toPixels(image, { name: 'image', size, signal });
  checkPixelSize(parts, pixels);
  const matched = matchPrompts(parsed, countOf(image));
  return runPipeline(parts, matched, (context) => begin(parts, matched, pixels, context));
}

async function begin(
  parts: IdentifiedParts,
  options: ParsedImageToImageOptions,
  pixels: Tensor,
  context: RunContext,
): Promise<RunStart> {
  const { image, strength, signal } = options;
  const startStep = firstStep(strength, context.stepCount, context.order);
  const imageLatents = await sampleImageLatents(parts, pixels, context, options);
  const noise = await drawLatentNoise(parts, context.noise, imageLatents.shape, signal);
  const settings = { kind: 'image-to-image', strength, image: await digestOf(image) };
  return { noise, imageLatents, startStep, settings };
}

/** One prompt goes with every image; several images want as many prompts, or one. */
export function matchPrompts<Options extends ParsedDiffusionOptions>(
  options: Options,
  images: number,
): Options {
  const prompts = promptsOf(options);
  if (images === 1 || images === prompts.length) return options;
  if (prompts.length === 1 && options.prompt !== undefined) {
    return { ...options, prompt: new Array(images).fill(prompts[0]) };
  }
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `image: expected one, or ${prompts.length} (one a prompt), received ${images}`,
  );
}
