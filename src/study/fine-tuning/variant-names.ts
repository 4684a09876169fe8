import type { FineTuningVariant } from './options.js';

/** How variants are called. */
export const variantNames: Readonly<Record<FineTuningVariant, string>> = {
  none: 'not trained',
  'swapped-encoder': 'other encoder',
  'swapped-encoder-projection': 'other encoder, projection',
  'textual-inversion': 'textual inversion',
  lora: 'LoRA',
  unet: 'U-Net',
  'unet-text-encoder': 'U-Net + text encoder',
};
