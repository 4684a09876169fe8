import { LatentrayError } from '../errors.js';
import type { TextEncoder } from '../models/text-encoder.js';
import { Tensor } from '../tensor.js';
import type { ParsedGenerateOptions } from './generate-options.js';

/** Texts as the U-Net attends to them. */
export interface PromptEmbeddings {
  /** [N, L, D] */
  readonly states: Tensor;
  /** [N, L], or null where every position is attended to. */
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

/** Encodes the prompts of a call, or takes its embeddings, and repeats each for its images. */
export async function embedPrompts(
  encoder: TextEncoder,
  options: ParsedGenerateOptions,
): Promise<GuidedEmbeddings> {
  const truncated: Truncation[] = [];
  const embed = async (texts: readonly string[]) => {
    const { clipSkip: skipLayers, signal } = options;
    const encoding = await encoder.encode(texts, { skipLayers, signal });
    texts.forEach((prompt, index) => {
      const dropped = encoding.droppedTexts[index];
      if (dropped) truncated.push({ prompt, dropped });
    });
    return {
      states: encoding.lastHiddenState,
      mask: encoder.masksPadding ? encoding.attentionMask : null,
    };
  };

  const guided = options.guidanceScale > 1;
  const prompts = promptsOf(options);
  const prompt = options.promptEmbeddings
    ? { states: options.promptEmbeddings, mask: null }
    : await embed(prompts);
  const count = prompt.states.shape[0] ?? 0;
  const negative = !guided
    ? null
    : options.negativePromptEmbeddings
      ? { states: options.negativePromptEmbeddings, mask: null }
      : await embedNegative(options.negativePrompt, count, embed);
  return {
    prompt: await repeated(prompt, options.imagesPerPrompt),
    negative: negative && (await repeated(negative, options.imagesPerPrompt)),
    truncated,
  };
}

/** A text that all prompts share is encoded once. */
async function embedNegative(
  texts: string | readonly string[],
  count: number,
  embed: (texts: readonly string[]) => Promise<PromptEmbeddings>,
): Promise<PromptEmbeddings> {
  if (typeof texts === 'string') return repeated(await embed([texts]), count);
  return embed(spread(texts, count));
}

/** The prompts of a call; empty strings where embeddings are given instead. */
export function promptsOf({ prompt, promptEmbeddings }: ParsedGenerateOptions): readonly string[] {
  if ((prompt === undefined) === (promptEmbeddings === undefined)) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `generate: expected prompt or promptEmbeddings, received ${prompt === undefined ? 'neither' : 'both'}`,
    );
  }
  if (promptEmbeddings) return new Array(promptEmbeddings.shape[0]).fill('');
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
