import { LatentrayError } from '../errors.js';
import type { ParsedTrainConfig, ResolvedTrainConfig } from './train-options.js';

/** @internal Fills in what follows from the method. `ERR_INVALID_ARG` for options that contradict each other. */
export function resolveOptions(
  given: ParsedTrainConfig,
  samples: number,
  worldSize: number,
): ResolvedTrainConfig {
  checkMethod(given);
  const lora = given.lora ?? (given.method === 'lora' ? defaultLora : undefined);
  return {
    ...given,
    ...(lora && { lora }),
    learningRate: given.learningRate ?? defaultRate(given),
    maxGradNorm: given.maxGradNorm ?? (isClipped(given) ? 1 : false),
    maxTrainSteps: stepsOf(given, samples, worldSize),
  };
}

const defaultLora = {
  rank: 4,
  targets: { unet: ['to_q', 'to_k', 'to_v', 'to_out.0'], textEncoder: false as const },
};

function checkMethod({
  method,
  trainable,
  tokens,
  lora,
  autoencoder,
  ...rest
}: ParsedTrainConfig): void {
  if (!method && !trainable && !tokens && !lora) {
    throw invalid('expected `method`, or what is trained: `trainable`, `lora` or `tokens`');
  }
  if ((method === 'textual-inversion') !== (tokens !== undefined) && method !== undefined) {
    throw invalid('`tokens` and the method "textual-inversion" go together');
  }
  if (lora && method !== undefined && method !== 'lora') {
    throw invalid(`\`lora\` does not go with the method "${method}"`);
  }
  if (method !== undefined && trainable) {
    throw invalid('expected `method` or `trainable`, found both');
  }
  if (autoencoder && method !== 'autoencoder') {
    throw invalid('`autoencoder` goes with the method "autoencoder" only');
  }
  if (method === 'autoencoder' && (rest.priorPreservation || rest.validation)) {
    throw invalid('an autoencoder has no prompts: no `priorPreservation` and no `validation`');
  }
}

function defaultRate({ method, tokens, lora }: ParsedTrainConfig): number {
  if (tokens) return 5e-4;
  return lora || method === 'lora' || method === 'autoencoder' ? 1e-4 : 1e-5;
}

/** Textual inversion is not clipped in diffusers; an autoencoder's loss is a sum over pixels. */
function isClipped({ method, tokens }: ParsedTrainConfig): boolean {
  return tokens === undefined && method !== 'autoencoder';
}

function stepsOf(options: ParsedTrainConfig, samples: number, worldSize: number): number {
  const { maxTrainSteps, epochs, batchSize, gradientAccumulationSteps } = options;
  if ((maxTrainSteps === undefined) === (epochs === undefined)) {
    throw invalid(
      `expected \`maxTrainSteps\` or \`epochs\`, found ${epochs === undefined ? 'neither' : 'both'}`,
    );
  }
  const perStep = batchSize * gradientAccumulationSteps * worldSize;
  return maxTrainSteps ?? Math.max(1, Math.ceil(((epochs as number) * samples) / perStep));
}

function invalid(message: string): LatentrayError {
  return new LatentrayError('ERR_INVALID_ARG', `train: ${message}`);
}
