import { z } from 'zod';
import type { JobOptions } from '../native/addon.js';

/**
 * How a text's states become one vector. `'none'`: they do not. `'cls'`: the first token's state (BERT).
 * `'mean'`: the mean over the tokens that are not padding, special ones included. `'eot'`: the closing
 * token's state (CLIP's end-of-text token, BERT's [SEP]). `'pooler'`: the model's own pooled output.
 * `'projection'`: the model's head into the space that it shares with images (CXR-BERT, CLIP with a
 * projection).
 */
export type Pooling = (typeof poolings)[number];

const poolings = ['none', 'cls', 'mean', 'eot', 'pooler', 'projection'] as const;

/** How texts become vectors. */
export interface PoolTextOptions extends JobOptions {
  /** @default 'none' */
  readonly pooling?: Pooling | undefined;
  /** Scale each vector to length 1. @default false */
  readonly normalize?: boolean | undefined;
  /**
   * Which of the model's hidden states to use, as transformers counts them: 0 is the embeddings, 1 the first
   * layer's output, −1 the last layer's. @default the last hidden state (CLIP's is −1 after its final norm)
   */
  readonly layer?: number | undefined;
  /** Tokens a text, special ones included; what is longer is cut. @default the model's own: 77, 512 … */
  readonly maxLength?: number | undefined;
  /** Most texts that are computed at a time. Minimum: 1. @default 32 */
  readonly batchSize?: number | undefined;
  /** Whether padding is hidden from the model. @default false for CLIP, as diffusers does; true else */
  readonly useAttentionMask?: boolean | undefined;
}

/** How a list of texts is encoded. */
export interface EncodeTextOptions extends PoolTextOptions {
  /**
   * Up to `maxLength`, or up to the longest text. @default 'max_length' for CLIP's states, which Stable
   * Diffusion was trained with; 'longest' for vectors, and where padding is hidden
   */
  readonly padding?: 'max_length' | 'longest' | undefined;
  /** Leave out the last layers: "clip skip". @default 0 */
  readonly skipLayers?: number | undefined;
  /** Also return every layer's output. @default false */
  readonly hiddenStates?: boolean | undefined;
}

/** @internal */
export const poolTextOptions = z.strictObject({
  pooling: z.enum(poolings).default('none'),
  normalize: z.boolean().default(false),
  layer: z.int().optional(),
  maxLength: z.int().positive().optional(),
  batchSize: z.int().positive().default(32),
  useAttentionMask: z.boolean().optional(),
  signal: z.instanceof(AbortSignal).optional(),
});

/** @internal */
export const encodeTextOptions = poolTextOptions.extend({
  padding: z.enum(['max_length', 'longest']).optional(),
  skipLayers: z.int().nonnegative().default(0),
  hiddenStates: z.boolean().default(false),
});

/** @internal */
export const textForwardOptions = encodeTextOptions.pick({
  pooling: true,
  normalize: true,
  layer: true,
  skipLayers: true,
  hiddenStates: true,
  signal: true,
});
