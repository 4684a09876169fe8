import { dirname, join } from 'node:path';
import { invalidArgument } from '../errors.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { TextEncoderHandle, TextEncoderOutput } from '../native/addon-types.js';
import { type DType, handleOf, Tensor } from '../tensor.js';
import { loadTokenizer } from '../tokenizers/load-tokenizer.js';
import type { Encoding, Tokenizer } from '../tokenizers/tokenizer.js';
import {
  type CheckpointOptions,
  exists,
  type ModelFolder,
  openModelFolder,
  sourceOf,
} from './model-folder.js';
import { type SaveOptions, saveModel } from './save-model.js';

/** Tokens for a {@link TextEncoder}. */
export interface TextEncoderInputs {
  /** [N, L] int64. */
  readonly inputIds: Tensor;
  /** [N, L], 0 where there is padding. */
  readonly attentionMask?: Tensor;
}

/** What a text encoder computes. */
export interface TextEncoderStates {
  /** [N, L, hidden size]. */
  readonly lastHiddenState: Tensor;
  /** The embeddings, then every layer's output; empty unless asked for. */
  readonly hiddenStates: readonly Tensor[];
  /** [N, hidden size], where the model has a pooler. */
  readonly poolerOutput: Tensor | undefined;
}

/** Texts as states. */
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

/** How texts are encoded. */
export interface EncodeTextOptions extends JobOptions {
  /** Tokens a text, special ones included. @default the model's own, 77 for CLIP */
  readonly maxLength?: number | undefined;
  /** @default 'max_length' */
  readonly padding?: 'max_length' | 'longest' | undefined;
  /** Whether padding is hidden from the model. @default false for CLIP, as diffusers does; true else */
  readonly useAttentionMask?: boolean | undefined;
  /** Leave out the last layers: "clip skip". @default 0 */
  readonly skipLayers?: number | undefined;
  /** Also return every layer's output. @default false */
  readonly hiddenStates?: boolean | undefined;
}

/** CLIP's text transformer, or a BERT, with its tokenizer. */
export class TextEncoder {
  readonly #handle: TextEncoderHandle;
  /** The published config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The files that the weights came from. */
  readonly weightFiles: readonly string[];
  readonly tokenizer: Tokenizer;

  private constructor(handle: TextEncoderHandle, folder: ModelFolder, tokenizer: Tokenizer) {
    this.#handle = handle;
    this.config = folder.config;
    this.weightFiles = folder.weightFiles;
    this.tokenizer = tokenizer;
  }

  /**
   * Loads a folder with config.json and model.safetensors (its shards, its variant, or pytorch_model.bin), or
   * a checkpoint file. The tokenizer's files are looked for in the folder itself, then in a `tokenizer`
   * folder beside it, as in the diffusers layout.
   *
   * @param options `tokenizer`: another folder with the tokenizer's files.
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_TOKENIZER`, `ERR_WEIGHTS_…`.
   */
  static async load(
    path: string,
    options: CheckpointOptions & { readonly tokenizer?: string | undefined } = {},
  ): Promise<TextEncoder> {
    const folder = await openModelFolder(path, options);
    const handle = await runJob(options.signal, (token) =>
      addon().loadTextEncoder(sourceOf(folder, options), token),
    );
    const tokenizerFolder = options.tokenizer ?? (await findTokenizer(path));
    const tokenizer = await loadTokenizer(tokenizerFolder, { modelMaxLength: handle.maxLength });
    return new TextEncoder(handle, folder, tokenizer);
  }

  get device(): string {
    return this.#handle.device;
  }

  get dtype(): DType {
    return this.#handle.dtype;
  }

  /** The width of its states. */
  get hiddenSize(): number {
    return this.#handle.hiddenSize;
  }

  /** Most tokens that it takes. */
  get maxLength(): number {
    return this.#handle.maxLength;
  }

  /** States of tokens. `skipLayers` replaces `lastHiddenState` by the final norm over an earlier layer. */
  async forward(
    inputs: TextEncoderInputs,
    options: { readonly hiddenStates?: boolean; readonly skipLayers?: number } & JobOptions = {},
  ): Promise<TextEncoderStates> {
    const { hiddenStates = false, skipLayers = 0, signal } = options;
    if (!Number.isSafeInteger(skipLayers) || skipLayers < 0) {
      throw invalidArgument('skipLayers', 'a non-negative integer', skipLayers);
    }
    const mask = inputs.attentionMask ? handleOf(inputs.attentionMask) : null;
    const ids = handleOf(inputs.inputIds);
    const output = await runJob(signal, (token) =>
      addon().textEncoderForward(this.#handle, ids, mask, { hiddenStates, skipLayers }, token),
    );
    return statesOf(output);
  }

  /**
   * Texts as states, one row a text.
   *
   * @throws `ERR_INVALID_ARG` for anything but strings.
   */
  async encode(
    texts: string | readonly string[],
    options: EncodeTextOptions = {},
  ): Promise<TextEncoding> {
    const list = typeof texts === 'string' ? [texts] : texts;
    if (
      !Array.isArray(list) ||
      list.length === 0 ||
      !list.every((text) => typeof text === 'string')
    ) {
      throw invalidArgument('texts', 'a string, or an array with at least one', texts);
    }
    const encodings = this.tokenizer.encodeBatch(list, {
      padding: options.padding ?? 'max_length',
      maxLength: options.maxLength ?? this.maxLength,
    });
    const inputIds = rows(encodings, 'inputIds');
    const attentionMask = rows(encodings, 'attentionMask');
    const masked = options.useAttentionMask ?? this.masksPadding;
    const states = await this.forward(masked ? { inputIds, attentionMask } : { inputIds }, {
      hiddenStates: options.hiddenStates ?? false,
      skipLayers: options.skipLayers ?? 0,
      signal: options.signal,
    });
    return {
      ...states,
      inputIds,
      attentionMask,
      droppedTexts: encodings.map(({ droppedText }) => droppedText),
      truncated: encodings.some(({ truncated }) => truncated),
    };
  }

  /** Stable Diffusion was trained with CLIP's padding visible; BERTs hide theirs. */
  get masksPadding(): boolean {
    return this.config.model_type !== 'clip_text_model';
  }

  /**
   * Saves config.json and model.safetensors into a folder, as diffusers and transformers read them.
   *
   * @throws `ERR_WRITE`, `ERR_DISPOSED`.
   */
  async save(folder: string, options: SaveOptions = {}): Promise<void> {
    await saveModel(folder, 'model.safetensors', this.config, options, (path, dtype, token) =>
      addon().textEncoderSave(this.#handle, path, dtype, token),
    );
  }

  /** Gives the memory back once running calls have ended. */
  dispose(): void {
    this.#handle.dispose();
  }

  get disposed(): boolean {
    return this.#handle.disposed;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function statesOf(output: TextEncoderOutput): TextEncoderStates {
  return {
    lastHiddenState: new Tensor(output.skipped ?? output.lastHiddenState),
    hiddenStates: output.hiddenStates.map((handle) => new Tensor(handle)),
    poolerOutput: output.poolerOutput && new Tensor(output.poolerOutput),
  };
}

function rows(encodings: readonly Encoding[], field: 'inputIds' | 'attentionMask'): Tensor {
  const length = encodings[0]?.[field].length ?? 0;
  const values = encodings.flatMap((encoding) => encoding[field]);
  return Tensor.from(values, { dtype: 'int64', shape: [encodings.length, length] });
}

const tokenizerFiles = ['tokenizer.json', 'vocab.json', 'vocab.txt'];

async function findTokenizer(path: string): Promise<string> {
  const candidates = [path, join(dirname(path), 'tokenizer'), dirname(path)];
  for (const folder of candidates) {
    const present = await Promise.all(tokenizerFiles.map((name) => exists(join(folder, name))));
    if (present.some(Boolean)) return folder;
  }
  return path; // whose absence loadTokenizer explains
}
