import type { SetDistance } from '../image-sets.js';
import type { LabelSeen } from './labels-seen.js';
import type { FineTuningVariant } from './options.js';

/** What one variant makes of one prompt. */
export interface PromptResult {
  readonly prompt: string;
  /** As the variant was asked: textual inversion has its own word. */
  readonly wording: string;
  readonly images: number;
  /** Mean SSIM of two images of the prompt: the lower, the more diverse. */
  readonly pairwiseSsim: number;
  /** How near each image's nearest training image is (correlation of 32 × 32 thumbnails), on average … */
  readonly nearestTraining: number;
  /** … and at most. */
  readonly closestTraining: number;
  /** To held-out real images, in the features of each network that was given. */
  readonly distances: readonly SetDistance[];
}

/** What one way of fine-tuning gives. */
export interface VariantResult {
  readonly variant: FineTuningVariant;
  readonly digest: string;
  readonly trainedSteps: number;
  /** Of the last step; null where nothing was trained. */
  readonly finalLoss: number | null;
  readonly prompts: readonly PromptResult[];
  /** Whether a classifier sees what prompts ask for, for labels that they say something of. */
  readonly labels: readonly LabelSeen[];
}

/** What {@link fineTuning} finds. */
export interface FineTuningStudy {
  readonly study: 'fine-tuning';
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly randomWeights: boolean;
  readonly trainingImages: number;
  readonly heldOutImages: number;
  /** The same figures of real images that were held out: what memorisation is measured against. */
  readonly real: {
    readonly pairwiseSsim: number;
    readonly nearestTraining: number;
    readonly closestTraining: number;
    /** Of real training images to held-out ones. */
    readonly distances: readonly SetDistance[];
  };
  readonly variants: readonly VariantResult[];
  /** The page and the figures, on disk. */
  readonly files: { readonly results: string; readonly report: string };
}
