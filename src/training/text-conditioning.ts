import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { longest, tokenize, tokenRows } from '../models/token-rows.js';
import { modelDigest } from '../pipeline/model-digest.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { type EncodedTexts, TextStateCache } from './data/text-state-cache.js';
import type { DenoiserBatch } from './denoiser-trainer.js';
import type { RunContext } from './engine.js';
import { firstRankFirst } from './first-rank-first.js';

/** @internal What a batch's texts become: tokens for a text encoder that is trained, or cached states. */
export interface TextConditioning {
  batch(
    texts: readonly string[],
  ): Promise<Pick<DenoiserBatch, 'inputIds' | 'attentionMask' | 'encoderHiddenStates'>>;
}

/** @internal Of all texts of a run, the empty one of dropped captions included. */
export async function conditionTexts(
  { textEncoder }: Pipeline,
  texts: readonly string[],
  trained: boolean,
  run: RunContext,
): Promise<TextConditioning> {
  const distinct = [...new Set(['', ...texts])];
  const { tokenizer, masksPadding } = textEncoder;
  const maxLength = Math.min(tokenizer.modelMaxLength, textEncoder.maxLength);
  const encodings = await tokenize(tokenizer, distinct, { maxLength, signal: run.signal });
  warnOfCuts(encodings.filter(({ truncated }) => truncated).length, distinct.length, run);
  // One length for all, so that rows of several batches go together.
  const length = masksPadding ? longest(encodings) : maxLength;

  const tokensOf = async (batch: readonly string[]) => {
    const rows = await tokenize(tokenizer, batch, { maxLength, signal: run.signal });
    const { inputIds, attentionMask } = tokenRows(rows, length, tokenizer.padTokenId);
    return masksPadding ? { inputIds, attentionMask } : { inputIds };
  };
  if (trained) return { batch: tokensOf };
  const encode = async (batch: readonly string[]) => {
    const tokens = await tokensOf(batch);
    const { lastHiddenState } = await textEncoder.forward(tokens, { signal: run.signal });
    const states = await lastHiddenState.to({ dtype: 'float32', device: 'cpu' });
    return { lastHiddenState: states, attentionMask: tokens.attentionMask };
  };
  // Weights that no file has cannot be told again.
  if (textEncoder.weightFiles.length === 0)
    return { batch: async (batch) => named(await encode(batch)) };
  const encoder = digestOf(await modelDigest(textEncoder), length, textEncoder.dtype);
  const cache = await openCache(distinct, encoder, encode, run);
  const job = run.signal ? { signal: run.signal } : {};
  return {
    async batch(wanted) {
      const { encoderHiddenStates, attentionMask } = await cache.batch(wanted, job);
      return { encoderHiddenStates, ...(attentionMask && { attentionMask }) };
    },
  };
}

function named({ lastHiddenState, attentionMask }: EncodedTexts) {
  return { encoderHiddenStates: lastHiddenState, ...(attentionMask && { attentionMask }) };
}

function openCache(
  texts: readonly string[],
  encoder: string,
  encode: (texts: readonly string[]) => Promise<EncodedTexts>,
  { folder, group, signal, onProgress, onWarning }: RunContext,
): Promise<TextStateCache> {
  return firstRankFirst(group, () =>
    TextStateCache.open({
      folder: join(folder, 'cache', 'texts'),
      texts,
      modelDigest: encoder,
      encode,
      onProgress: ({ done, total }) => onProgress({ phase: 'texts', done, total }),
      onRebuild: onWarning,
      ...(signal && { signal }),
    }),
  );
}

function digestOf(...facts: readonly (string | number)[]): string {
  return createHash('sha256').update(facts.join('\n')).digest('hex');
}

function warnOfCuts(cut: number, texts: number, { onWarning }: RunContext): void {
  if (cut === 0) return;
  onWarning(`${cut} of ${texts} texts are longer than the text encoder takes: their ends are cut`);
}
