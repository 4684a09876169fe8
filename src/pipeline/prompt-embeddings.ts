import { z } from 'zod';
import { LatentrayError } from '../errors.js';
import type { TextEncoder } from '../models/text-encoder.js';
import type { TextProjection } from '../models/text-projection.js';
import { longest, tokenRows } from '../models/token-rows.js';
import type { JobOptions } from '../native/addon.js';
import { Tensor } from '../tensor.js';
import type { Encoding } from '../tokenizers/tokenizer.js';
import type { ParsedGenerateOptions } from './generate-options.js';

/** Texts as the U-Net attends to them. */
export interface PromptEmbeddings {
  /** [N, L, D] */
  readonly states: Tensor;
  /** [N, L], 0 where the U-Net attends to nothing; null where it attends to every position. */
  readonly mask: Tensor | null;
}

/** Both sides of guidance, a row an image, and what did not fit into the text encoder. */
export interface GuidedEmbeddings {
  readonly prompt: PromptEmbeddings;
  readonly negative: PromptEmbeddings | null;
  readonly truncated: readonly Truncation[];
}

/** A prompt that was longer than the text encoder takes. */
export interface Truncation {
  readonly prompt: string;
  /** What was cut. */
  readonly dropped: string;
}

/** What {@link Pipeline.encodePrompt} takes. */
export interface EncodePromptOptions extends JobOptions {
  readonly prompt: string | readonly string[];
  /** One text for all, or one for each prompt. @default '' */
  readonly negativePrompt?: string | readonly string[];
  /** What happens to a text that is longer than the text encoder takes. @default 'truncate' */
  readonly longPrompt?: 'truncate' | 'chunk';
  /** Leaves out the text encoder's last layers. @default 0 */
  readonly clipSkip?: number;
}

/** What {@link Pipeline.generate} takes in place of texts. */
export interface EncodedPrompt {
  readonly promptEmbeddings: PromptEmbeddings;
  readonly negativePromptEmbeddings: PromptEmbeddings;
  /** Prompts that were longer than the text encoder takes, with what was cut. */
  readonly truncated: readonly Truncation[];
}

const texts = z.union([z.string(), z.array(z.string()).min(1)]);

/** @internal */
export const encodePromptOptions = z.strictObject({
  prompt: texts,
  negativePrompt: texts.default(''),
  longPrompt: z.enum(['truncate', 'chunk']).default('truncate'),
  clipSkip: z.int().nonnegative().default(0),
  signal: z.instanceof(AbortSignal).optional(),
});

/** @internal What turns a prompt into states for a U-Net. */
export interface PromptEncoder {
  readonly textEncoder: TextEncoder;
  readonly textProjection: TextProjection | undefined;
}

type PromptOptions = Pick<
  ParsedGenerateOptions,
  | 'prompt'
  | 'negativePrompt'
  | 'promptEmbeddings'
  | 'negativePromptEmbeddings'
  | 'longPrompt'
  | 'clipSkip'
  | 'signal'
>;

/** Encodes the prompts of a call, or takes its embeddings, and repeats each for its images. */
export async function embedPrompts(
  encoder: PromptEncoder,
  options: ParsedGenerateOptions,
): Promise<GuidedEmbeddings> {
  const guided = options.guidanceScale > 1;
  const { prompt, negative, truncated } = await embedBoth(encoder, options, guided);
  const { imagesPerPrompt } = options;
  return {
    prompt: await repeated(prompt, imagesPerPrompt),
    negative: negative && (await repeated(negative, imagesPerPrompt)),
    truncated,
  };
}

/** @internal Both sides of guidance, a row a prompt. */
export async function embedBoth(
  encoder: PromptEncoder,
  options: PromptOptions,
  guided: boolean,
): Promise<GuidedEmbeddings> {
  const given = asEmbeddings(options.promptEmbeddings);
  const givenNegative = asEmbeddings(options.negativePromptEmbeddings);
  const prompts = promptsOf(options);
  const negatives = negativesOf(options, prompts.length);
  const chunksOf = (list: readonly string[]) =>
    list.map((text) => toChunks(encoder, text, options));
  const positive = given ? [] : chunksOf(prompts);
  const opposite = guided && !givenNegative ? chunksOf(negatives) : [];
  const count = Math.max(
    ...[given, givenNegative].map((embeddings) => chunksIn(embeddings, encoder)),
    ...[...positive, ...opposite].map((chunks) => chunks.length),
  );

  const prompt = given ?? (await embed(encoder, positive, count, options));
  const negative = !guided
    ? null
    : (givenNegative ?? (await embed(encoder, opposite, count, options)));
  const [left, right] = negative ? await alike(prompt, negative) : [prompt, null];
  return {
    prompt: left,
    // A text that all prompts share is encoded once.
    negative: right && (await repeated(right, opposite.length === 1 ? prompts.length : 1)),
    truncated: [
      ...cutsOf(given ? [] : prompts, positive),
      ...cutsOf(opposite.length > 0 ? negatives : [], opposite),
    ],
  };
}

/** The prompts of a call; empty strings where embeddings are given instead. */
export function promptsOf({
  prompt,
  promptEmbeddings,
}: Pick<PromptOptions, 'prompt' | 'promptEmbeddings'>): readonly string[] {
  if ((prompt === undefined) === (promptEmbeddings === undefined)) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `generate: expected prompt or promptEmbeddings, received ${prompt === undefined ? 'neither' : 'both'}`,
    );
  }
  const given = asEmbeddings(promptEmbeddings);
  if (given) return new Array(given.states.shape[0]).fill('');
  return [prompt ?? ''].flat();
}

/** One text for all, or one for each prompt. */
export function spread(texts: string | readonly string[], count: number): readonly string[] {
  if (typeof texts === 'string') return new Array(count).fill(texts);
  if (texts.length === count) return texts;
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `negativePrompt: expected one text or ${count}, received ${texts.length}`,
  );
}

function negativesOf({ negativePrompt }: PromptOptions, count: number): readonly string[] {
  return typeof negativePrompt === 'string' ? [negativePrompt] : spread(negativePrompt, count);
}

function asEmbeddings(given: Tensor | PromptEmbeddings | undefined): PromptEmbeddings | undefined {
  if (given === undefined) return undefined;
  const { states, mask } = 'states' in given ? given : { states: given, mask: null };
  if (states.shape.length !== 3) {
    throw shapeError('promptEmbeddings: expected [N, L, D]', states);
  }
  const expected = states.shape.slice(0, 2);
  if (mask && String(mask.shape) !== String(expected)) {
    throw shapeError(`promptEmbeddings: mask: expected [${expected}], as its states`, mask);
  }
  return { states, mask };
}

function shapeError(expected: string, { shape }: Tensor): LatentrayError {
  return new LatentrayError('ERR_SHAPE', `${expected}, received [${shape}]`);
}

function maxLengthOf({ tokenizer, maxLength }: TextEncoder): number {
  return Math.min(tokenizer.modelMaxLength, maxLength);
}

function toChunks(
  { textEncoder }: PromptEncoder,
  text: string,
  { longPrompt }: PromptOptions,
): Encoding[] {
  const maxLength = maxLengthOf(textEncoder);
  const { tokenizer } = textEncoder;
  return longPrompt === 'chunk'
    ? tokenizer.encodeChunks(text, { maxLength })
    : [tokenizer.encode(text, { maxLength })];
}

/** How many chunks given embeddings are long; masked ones are padded instead. */
function chunksIn(
  embeddings: PromptEmbeddings | undefined,
  { textEncoder }: PromptEncoder,
): number {
  const length = embeddings?.states.shape[1] ?? 0;
  return textEncoder.masksPadding ? 1 : Math.max(1, Math.floor(length / maxLengthOf(textEncoder)));
}

/** Texts in `count` chunks each, one after the other along the sequence: [N, count · L, D]. */
async function embed(
  { textEncoder, textProjection }: PromptEncoder,
  texts: readonly Encoding[][],
  count: number,
  { clipSkip: skipLayers, signal }: PromptOptions,
): Promise<PromptEmbeddings> {
  const { tokenizer, masksPadding } = textEncoder;
  const empty = tokenizer.encode('');
  const filled = texts.flatMap((chunks) => [
    ...chunks,
    ...new Array<Encoding>(count - chunks.length).fill(empty),
  ]);
  const length = masksPadding ? longest(filled) : maxLengthOf(textEncoder);
  const { inputIds, attentionMask } = tokenRows(filled, length, tokenizer.padTokenId);
  const { lastHiddenState } = await textEncoder.forward(
    masksPadding ? { inputIds, attentionMask } : { inputIds },
    { skipLayers, signal },
  );
  const projected = textProjection
    ? await textProjection.forward(lastHiddenState, { signal })
    : lastHiddenState;
  return {
    states: await projected.reshape([texts.length, count * length, -1]),
    mask: masksPadding ? maskOf(texts, count, length) : null,
  };
}

/** What the U-Net sees of masked chunks: neither padding nor the empty chunks that only fill up. */
function maskOf(texts: readonly Encoding[][], count: number, length: number): Tensor {
  const mask = new BigInt64Array(texts.length * count * length);
  for (const [row, chunks] of texts.entries()) {
    for (const [n, { inputIds }] of chunks.entries()) {
      const start = (row * count + n) * length;
      mask.fill(1n, start, start + inputIds.length);
    }
  }
  return Tensor.from(mask, { shape: [texts.length, count * length] });
}

/** Two sides of one length, both with a mask or both without. Positions that the mask hides add nothing. */
async function alike(
  a: PromptEmbeddings,
  b: PromptEmbeddings,
): Promise<[PromptEmbeddings, PromptEmbeddings]> {
  if (!a.mask && !b.mask) return [a, b];
  const length = Math.max(a.states.shape[1] ?? 0, b.states.shape[1] ?? 0);
  return [await padded(a, length), await padded(b, length)];
}

async function padded(
  { states, mask }: PromptEmbeddings,
  length: number,
): Promise<PromptEmbeddings> {
  const [count = 0, own = 0, width = 0] = states.shape;
  const { dtype, device } = states;
  const seen = mask
    ? await mask.to({ dtype: 'int64', device })
    : Tensor.ones([count, own], { dtype: 'int64', device });
  if (own === length) return { states, mask: seen };
  const missing = length - own;
  return {
    states: await Tensor.cat([states, Tensor.zeros([count, missing, width], { dtype, device })], 1),
    mask: await Tensor.cat([seen, Tensor.zeros([count, missing], { dtype: 'int64', device })], 1),
  };
}

function cutsOf(texts: readonly string[], encodings: readonly Encoding[][]): Truncation[] {
  return texts.flatMap((prompt, index) =>
    (encodings[index] ?? [])
      .filter(({ truncated }) => truncated)
      .map(({ droppedText: dropped }) => ({ prompt, dropped })),
  );
}

async function repeated(prompt: PromptEmbeddings, times: number): Promise<PromptEmbeddings> {
  if (times === 1) return prompt;
  const { states, mask } = prompt;
  return {
    states: await repeatRows(states, times),
    mask: mask && (await repeatRows(mask, times)),
  };
}

/** [N, …] → [N · times, …], each row's copies side by side. */
async function repeatRows(tensor: Tensor, times: number): Promise<Tensor> {
  const [rows = 0, ...rest] = tensor.shape;
  const copies = await Tensor.stack(new Array(times).fill(tensor), 1);
  return copies.reshape([rows * times, ...rest]);
}
