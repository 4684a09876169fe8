import type { TextEncoderOutput } from '../native/addon-types.js';
import { Tensor } from '../tensor.js';
import type { TokenRows } from './token-rows.js';

/** What a text encoder computes. */
export interface TextEncoderStates {
  /** [N, L, hidden size]: the last hidden state, or what `layer` or `skipLayers` chose. */
  readonly lastHiddenState: Tensor;
  /** The embeddings, then every layer's output; empty unless asked for. */
  readonly hiddenStates: readonly Tensor[];
  /** [N, hidden size], where the model has a pooler. */
  readonly poolerOutput: Tensor | undefined;
  /** [N, P], where the model has a head into the space that it shares with images. */
  readonly projection: Tensor | undefined;
  /** [N, hidden size], or the projection's [N, P], where `pooling` is not `'none'`. */
  readonly pooled: Tensor | undefined;
}

/** Texts as states, and as vectors where asked for. */
export interface TextEncoding extends TextEncoderStates {
  /** [N, L] int64. */
  readonly inputIds: Tensor;
  /** [N, L] int64, 0 where there is padding. */
  readonly attentionMask: Tensor;
  /** For each text, what did not fit in `maxLength` and was cut; '' where nothing was. */
  readonly droppedTexts: readonly string[];
  /** Whether anything was cut. */
  readonly truncated: boolean;
}

/** @internal */
export function statesOf(output: TextEncoderOutput): TextEncoderStates {
  const { lastHiddenState, hiddenStates, poolerOutput, projection, pooled } = output;
  return {
    lastHiddenState: new Tensor(lastHiddenState as NonNullable<typeof lastHiddenState>),
    hiddenStates: (hiddenStates ?? []).map((handle) => new Tensor(handle)),
    poolerOutput: poolerOutput && new Tensor(poolerOutput),
    projection: projection && new Tensor(projection),
    pooled: pooled && new Tensor(pooled),
  };
}

/** @internal */
export type BatchStates = TextEncoderStates & TokenRows;

/** @internal Batches of one length as one. */
export async function joined(batches: readonly BatchStates[]): Promise<BatchStates> {
  const [first, ...others] = batches as [BatchStates, ...BatchStates[]];
  if (others.length === 0) return first;
  const join = (pick: (batch: BatchStates) => Tensor | undefined) =>
    Tensor.cat(batches.map((batch) => pick(batch) as Tensor));
  const joinOptional = async (name: 'poolerOutput' | 'projection' | 'pooled') =>
    first[name] && join((batch) => batch[name]);
  return {
    lastHiddenState: await join((batch) => batch.lastHiddenState),
    hiddenStates: await Promise.all(
      first.hiddenStates.map((_, layer) => join((batch) => batch.hiddenStates[layer])),
    ),
    poolerOutput: await joinOptional('poolerOutput'),
    projection: await joinOptional('projection'),
    pooled: await joinOptional('pooled'),
    inputIds: await join((batch) => batch.inputIds),
    attentionMask: await join((batch) => batch.attentionMask),
  };
}
