import type { z } from 'zod';
import { addon, runJob } from '../native/addon.js';
import type { TextEncoderHandle, TextEncoderOutput } from '../native/addon-types.js';
import { handleOf, Tensor } from '../tensor.js';
import type {
  EncodeTextOptions,
  poolTextOptions,
  textForwardOptions,
} from './encode-text-options.js';
import { statesOf, type TextEncoderStates } from './text-states.js';

/** Tokens for a {@link TextEncoder}. */
export interface TextEncoderInputs {
  /** [N, L] int64. */
  readonly inputIds: Tensor;
  /** [N, L], 0 where there is padding, which is hidden from the model. */
  readonly attentionMask?: Tensor;
}

/** What {@link TextEncoder.forward} takes of {@link EncodeTextOptions}. */
export type TextForwardOptions = Pick<
  EncodeTextOptions,
  'pooling' | 'normalize' | 'layer' | 'skipLayers' | 'hiddenStates' | 'signal'
>;

/** @internal */
export type ForwardRequest = z.output<typeof textForwardOptions>;

/** @internal Tokens as states and, where they are pooled, as vectors. */
export async function statesOfTokens(
  handle: TextEncoderHandle,
  inputs: TextEncoderInputs,
  request: ForwardRequest,
  maskPadding: boolean,
): Promise<TextEncoderStates> {
  return statesOf(await call(handle, inputs, request, { maskPadding, states: true }));
}

/** @internal Tokens as vectors on the CPU, the states left behind. */
export async function pooledTokens(
  handle: TextEncoderHandle,
  inputs: TextEncoderInputs,
  options: z.output<typeof poolTextOptions>,
  maskPadding: boolean,
): Promise<Tensor> {
  const request = { ...options, skipLayers: 0, hiddenStates: false };
  const output = await call(handle, inputs, request, { maskPadding, states: false });
  const pooled = new Tensor(output.pooled as NonNullable<TextEncoderOutput['pooled']>);
  return pooled.device === 'cpu' ? pooled : pooled.to({ device: 'cpu', signal: options.signal });
}

function call(
  handle: TextEncoderHandle,
  { inputIds, attentionMask }: TextEncoderInputs,
  request: ForwardRequest,
  how: { readonly maskPadding: boolean; readonly states: boolean },
): Promise<TextEncoderOutput> {
  const { signal, pooling, normalize, layer = null, skipLayers, hiddenStates } = request;
  const ids = handleOf(inputIds);
  const mask = attentionMask ? handleOf(attentionMask) : null;
  const options = { ...how, pooling, normalize, layer, skipLayers, hiddenStates };
  return runJob(signal, (token) => addon().textEncoderForward(handle, ids, mask, options, token));
}
