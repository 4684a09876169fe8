import { z } from 'zod';
import type {
  EmaOptions as NativeEma,
  OptimizerOptions as NativeOptimizer,
} from '../native/addon-types.js';

/** How gradients change the weights. */
export interface OptimizerOptions {
  /** AdamW (Loshchilov and Hutter, 2019) or stochastic gradient descent. @default 'adamw' */
  readonly name?: 'adamw' | 'sgd';
  /** How much of the averages of gradients, and of their squares, each step keeps (AdamW). @default [0.9, 0.999] */
  readonly betas?: readonly [number, number];
  /** Added to the square root of the average of squares (AdamW). @default 1e-8 */
  readonly eps?: number;
  /** What each step takes off the weights, times the learning rate. @default 0.01 */
  readonly weightDecay?: number;
  /** How much of the last update each step keeps (SGD). @default 0 */
  readonly momentum?: number;
}

/** A moving average of the weights. */
export interface EmaOptions {
  /** The most that each step keeps of the average. @default 0.9999 */
  readonly decay?: number;
  /** Warm-up 1 − (1 + n / invGamma)^−power at the n-th step. Without it, (1 + n) / (10 + n). */
  readonly invGamma?: number;
  /** See `invGamma`. @default 2 / 3 */
  readonly power?: number;
}

const fraction = z.number().min(0).lt(1);

/** @internal {@link OptimizerOptions}. */
export const optimizerOptions = z.strictObject({
  name: z.enum(['adamw', 'sgd']).default('adamw'),
  betas: z.tuple([fraction, fraction]).default([0.9, 0.999]),
  eps: z.number().positive().default(1e-8),
  weightDecay: z.number().min(0).default(0.01),
  momentum: fraction.default(0),
}) satisfies z.ZodType<NativeOptimizer>;

/** @internal {@link EmaOptions}, as they are given. */
export const emaConfig = z.strictObject({
  decay: z.number().min(0).max(1).default(0.9999),
  invGamma: z.number().positive().optional(),
  power: z.number().positive().optional(),
});

/** @internal {@link EmaOptions}, as the addon takes them. */
export const emaOptions = emaConfig.transform(({ decay, invGamma, power }): NativeEma => {
  return { decay, invGamma: invGamma ?? null, power: power ?? null };
});
