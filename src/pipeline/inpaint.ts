import { z } from 'zod';
import { addon, runJob } from '../native/addon.js';
import { parseOptions } from '../parse-options.js';
import { handleOf, Tensor } from '../tensor.js';
import { imageInput } from './generate-options.js';
import {
  checkPixelSize,
  drawLatentNoise,
  firstStep,
  sampleImageLatents,
  skipImageDraw,
} from './image-latents.js';
import { type ImageToImageOptions, imageOptions, matchPrompts } from './image-to-image.js';
import { countOf, digestOf, type ImageInput, toMask, toPixels } from './input-images.js';
import { cropToMask } from './mask-crop.js';
import { type IdentifiedParts, isInpaintingUNet } from './parts.js';
import { spreadRows } from './rows.js';
import { type Generated, type RunContext, type RunStart, runPipeline } from './run.js';

/** How a part of images is painted anew. */
export interface InpaintOptions extends ImageToImageOptions {
  /**
   * White is painted anew, black stays; grey counts as white from the middle on. One for all images, or one
   * for each: Images of the image's size, or a tensor [N, 1, H, W] in [0, 1].
   */
  readonly mask: ImageInput;
  /** 0 … 1: the share of the steps that is made; at 1 the masked part starts from noise. @default 1 */
  readonly strength?: number;
  /**
   * Puts the original's pixels back outside of the mask. Without it they have gone through the autoencoder,
   * and come back a little changed, as diffusers gives them. @default false
   */
  readonly keepUnmasked?: boolean;
  /**
   * Paints a region at full resolution: the white part with so many pixels around it, grown to the proportions of
   * `size` (by default the image's own), is brought to that size, painted, brought back and put into the
   * original, which stays where the mask is black (diffusers' `padding_mask_crop`). One Image and one mask;
   * the latents, and a `control`'s structure, are the region's.
   */
  readonly paddingMaskCrop?: number;
}

const inpaintOptions = z.strictObject({
  ...imageOptions,
  mask: imageInput,
  strength: z.number().positive().max(1).default(1),
  keepUnmasked: z.boolean().default(false),
  paddingMaskCrop: z.number().int().nonnegative().optional(),
});

type ParsedInpaintOptions = z.output<typeof inpaintOptions>;

/** Images, their masks, and the images with the masked part blank; on the CPU. */
interface MaskedImages {
  readonly pixels: Tensor;
  readonly latentMask: Tensor;
  readonly blanked: Tensor;
  /** What is done to the decoded pixels. */
  readonly finish: RunStart['finish'];
}

/** The masked part of images, painted anew from texts. */
export async function inpaint(parts: IdentifiedParts, options: InpaintOptions): Promise<Generated> {
  const parsed = parseOptions(inpaintOptions, options, 'inpaint');
  const masked = await readMasked(parts, parsed);
  const matched = matchPrompts(parsed, countOf(parsed.image));
  return runPipeline(parts, matched, (context) => begin(parts, matched, masked, context));
}

async function readMasked(
  parts: IdentifiedParts,
  options: ParsedInpaintOptions,
): Promise<MaskedImages> {
  const { paddingMaskCrop: padding, ...whole } = options;
  if (padding === undefined) return prepareMasked(parts, whole);
  const { downscale } = parts.vae;
  const { image, mask, putBack } = await cropToMask({ ...whole, padding, downscale });
  const region = await prepareMasked(parts, { ...whole, image, mask, size: undefined });
  return { ...region, finish: putBack };
}

async function prepareMasked(
  parts: IdentifiedParts,
  { image, mask, size, keepUnmasked, signal }: Omit<ParsedInpaintOptions, 'paddingMaskCrop'>,
): Promise<MaskedImages> {
  const pixels = await toPixels(image, { name: 'image', size, signal });
  checkPixelSize(parts, pixels);
  const white = await toMask(mask, { name: 'mask', size, signal });
  const prepared = await runJob(signal, (token) =>
    addon().prepareMask(handleOf(pixels), handleOf(white), parts.vae.downscale, token),
  );
  const painted = new Tensor(prepared.pixels);
  return {
    pixels,
    latentMask: new Tensor(prepared.latents),
    blanked: new Tensor(prepared.maskedPixels),
    finish: keepUnmasked
      ? (decoded) => withOriginal(decoded, { pixels, mask: painted }, signal)
      : undefined,
  };
}

/**
 * diffusers draws from the generators in this order: the image's latents (where they are needed), the noise,
 * the masked image's latents (needed or not).
 */
async function begin(
  parts: IdentifiedParts,
  options: ParsedInpaintOptions,
  masked: MaskedImages,
  context: RunContext,
): Promise<RunStart> {
  const { strength, signal } = options;
  const fromNoise = strength === 1;
  const startStep = firstStep(strength, context.stepCount, context.order);
  const shape = latentShape(parts, masked, context.count);
  const { dtype, device } = parts.unet;
  const mask = await (await spreadRows(masked.latentMask, context.count)).to({ dtype, device });
  const common = {
    startStep,
    settings: await settingsOf(options),
    finish: masked.finish,
  };
  if (isInpaintingUNet(parts)) {
    const imageLatents = fromNoise
      ? undefined
      : await sampleImageLatents(parts, masked.pixels, context, options);
    const noise = await drawLatentNoise(parts, context.noise, shape, signal);
    const latents = await sampleImageLatents(parts, masked.blanked, context, options);
    const extraChannels = await Tensor.cat([mask, latents], 1);
    return { ...common, noise, imageLatents, extraChannels };
  }
  const imageLatents = await sampleImageLatents(parts, masked.pixels, context, options);
  const noise = await drawLatentNoise(parts, context.noise, shape, signal);
  await skipImageDraw(parts, masked.blanked, context, options);
  const known = { mask, imageLatents };
  return { ...common, noise, imageLatents: fromNoise ? undefined : imageLatents, known };
}

async function settingsOf(options: ParsedInpaintOptions) {
  const { strength, keepUnmasked, paddingMaskCrop, image, mask } = options;
  const [imageDigest, maskDigest] = await Promise.all([digestOf(image), digestOf(mask)]);
  return {
    ...{ kind: 'inpainting', strength, keepUnmasked },
    ...(paddingMaskCrop !== undefined && { paddingMaskCrop }),
    ...{ image: imageDigest, mask: maskDigest },
  };
}

function latentShape({ vae }: IdentifiedParts, { latentMask }: MaskedImages, count: number) {
  const [, , height = 0, width = 0] = latentMask.shape;
  return [count, vae.latentChannels, height, width];
}

/** The decoded pixels inside of the mask, the original's outside. */
async function withOriginal(
  decoded: Tensor,
  { pixels, mask }: { readonly pixels: Tensor; readonly mask: Tensor },
  signal: AbortSignal | undefined,
): Promise<Tensor> {
  const [count = 0] = decoded.shape;
  const painted = await decoded.to({ device: 'cpu', dtype: 'float32', signal });
  const inside = await spreadRows(mask, count);
  const outside = await (await inside.mul(-1)).add(1);
  const kept = await (await spreadRows(pixels, count)).mul(outside);
  return (await painted.mul(inside)).add(kept);
}
