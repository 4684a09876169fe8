import { z } from 'zod';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { TextEncoderHandle } from '../native/addon-types.js';
import { NativeObject } from '../native/native-object.js';
import { parseOptions } from '../parse-options.js';
import type { DType, Tensor } from '../tensor.js';
import { loadTokenizer } from '../tokenizers/load-tokenizer.js';
import type { Encoding, Tokenizer } from '../tokenizers/tokenizer.js';
import {
  type EncodeTextOptions,
  encodeTextOptions,
  type PoolTextOptions,
  poolTextOptions,
  textForwardOptions,
} from './encode-text-options.js';
import { LearnedTokens } from './learned-tokens.js';
import {
  type CheckpointOptions,
  checkpointOptions,
  type ModelFolder,
  openModelFolder,
  sourceOf,
} from './model-folder.js';
import { type NewModelOptions, newModel, newModelOptions } from './new-model.js';
import { type SaveOptions, saveModel } from './save-model.js';
import {
  type ForwardRequest,
  pooledTokens,
  statesOfTokens,
  type TextEncoderInputs,
  type TextForwardOptions,
} from './text-forward.js';
import {
  type BatchStates,
  joined,
  type TextEncoderStates,
  type TextEncoding,
} from './text-states.js';
import {
  groupsOf,
  pooledBatches,
  type TextBatch,
  type TextSource,
  textList,
} from './text-stream.js';
import { cutsOf, longest, tokenize, tokenRows } from './token-rows.js';
import { findTokenizerFolder } from './tokenizer-folder.js';

/** So many keep a device busy; a CPU gains nothing from more, and smaller batches have less padding. */
const batchTokens = { cpu: 2048, cuda: 16384 };

const loadOptions = z.strictObject({
  ...checkpointOptions.shape,
  tokenizer: z.string().optional(),
});

const createOptions = z.strictObject({ ...newModelOptions.shape, tokenizer: z.string() });

/** CLIP's text transformer, BERT, RoBERTa or CXR-BERT, with its tokenizer. */
export class TextEncoder extends NativeObject {
  readonly #handle: TextEncoderHandle;
  readonly #folder: ModelFolder;
  readonly #learned: LearnedTokens;
  readonly tokenizer: Tokenizer;
  /** Where the tokenizer's files lie. */
  readonly tokenizerFolder: string;

  private constructor(
    handle: TextEncoderHandle,
    folder: ModelFolder,
    tokenizer: { readonly tokenizer: Tokenizer; readonly folder: string },
  ) {
    super(handle);
    this.#handle = handle;
    this.#folder = folder;
    this.tokenizer = tokenizer.tokenizer;
    this.tokenizerFolder = tokenizer.folder;
    this.#learned = new LearnedTokens(handle, this.tokenizer);
  }

  /**
   * Loads a folder with config.json and model.safetensors (its shards, its variant, or pytorch_model.bin), or
   * a checkpoint file; `model_type` in the config says what it is. The tokenizer's files are looked for in
   * the folder itself, then in a `tokenizer` folder beside it, as in the diffusers layout.
   *
   * @param options `tokenizer`: another folder with the tokenizer's files.
   * @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`, `ERR_TOKENIZER`, `ERR_WEIGHTS_…`.
   */
  static async load(
    path: string,
    options: CheckpointOptions & { readonly tokenizer?: string | undefined } = {},
  ): Promise<TextEncoder> {
    const { tokenizer: given, ...model } = parseOptions(loadOptions, options, 'TextEncoder.load');
    const folder = await openModelFolder(path, model);
    const handle = await runJob(model.signal, (token) =>
      addon().loadTextEncoder(sourceOf(folder, model), token),
    );
    const tokenizerFolder = given ?? (await findTokenizerFolder(path));
    const tokenizer = await loadTokenizer(tokenizerFolder, { modelMaxLength: handle.maxLength });
    return new TextEncoder(handle, folder, { tokenizer, folder: tokenizerFolder });
  }

  /**
   * A text encoder with random float32 weights, as transformers draws them, and a tokenizer that is there
   * already: to be trained from the start.
   *
   * @param config What config.json holds, with transformers' keys: `model_type` says what it is, and what it
   * does not say takes that class's defaults. `vocab_size` must hold the tokenizer's ids.
   * @param options `tokenizer`: the folder with the tokenizer's files.
   * @throws `ERR_CONFIG_INVALID`, `ERR_INVALID_ARG`, `ERR_TOKENIZER`, `ERR_DEVICE_UNAVAILABLE`,
   * `ERR_OUT_OF_MEMORY`.
   */
  static async create(
    config: Readonly<Record<string, unknown>>,
    options: NewModelOptions & { readonly tokenizer: string },
  ): Promise<TextEncoder> {
    const parsed = parseOptions(createOptions, options, 'TextEncoder.create');
    const { folder, source, seed } = newModel(config, parsed, 'TextEncoder.create');
    const handle = await runJob(parsed.signal, (token) =>
      addon().createTextEncoder(source, token, seed),
    );
    const tokenizer = await loadTokenizer(parsed.tokenizer, { modelMaxLength: handle.maxLength });
    return new TextEncoder(handle, folder, { tokenizer, folder: parsed.tokenizer });
  }

  /** @internal */
  get handle(): TextEncoderHandle {
    return this.#handle;
  }

  /** The published config.json. */
  get config(): Readonly<Record<string, unknown>> {
    return this.#folder.config;
  }

  /** The files that the weights came from, learned tokens included. */
  get weightFiles(): readonly string[] {
    return [...this.#folder.weightFiles, ...this.#learned.files];
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

  /** Stable Diffusion was trained with CLIP's padding visible; BERTs hide theirs. */
  get masksPadding(): boolean {
    return this.config.model_type !== 'clip_text_model';
  }

  /** The tokens that {@link loadTextualInversion} added. */
  get learnedTokens(): readonly string[] {
    return this.#learned.tokens;
  }

  /**
   * States of tokens. `layer` replaces `lastHiddenState` by another hidden state as it is, `skipLayers` by
   * the final norm over an earlier one.
   *
   * @throws `ERR_SHAPE`, `ERR_DTYPE`, or `ERR_INVALID_ARG` for ids outside the vocabulary and for a layer or
   * pooling that this model does not have.
   */
  async forward(
    inputs: TextEncoderInputs,
    options: TextForwardOptions = {},
  ): Promise<TextEncoderStates> {
    const request = parseOptions(textForwardOptions, options, 'forward');
    return this.#forward(inputs, request, inputs.attentionMask !== undefined);
  }

  /**
   * Texts as states and, with `pooling`, as vectors: one row a text, all in one result. For more texts than
   * one result should hold there is {@link encodeStream}.
   *
   * @throws `ERR_INVALID_ARG` for anything but strings, and for a layer or pooling that this model does not
   * have.
   */
  async encode(
    texts: string | readonly string[],
    options: EncodeTextOptions = {},
  ): Promise<TextEncoding> {
    const parsed = parseOptions(encodeTextOptions, options, 'encode');
    const encodings = await this.#tokenize(textList(texts), parsed);
    const masked = parsed.useAttentionMask ?? this.masksPadding;
    const wholeLength = !masked && parsed.pooling === 'none';
    const padding = parsed.padding ?? (wholeLength ? 'max_length' : 'longest');
    const length =
      padding === 'longest' ? longest(encodings) : (parsed.maxLength ?? this.#defaultLength);
    const { padTokenId } = this.tokenizer;
    const results: BatchStates[] = [];
    for (let start = 0; start < encodings.length; start += parsed.batchSize) {
      const batch = encodings.slice(start, start + parsed.batchSize);
      const rows = tokenRows(batch, length, padTokenId);
      results.push({ ...(await this.#forward(rows, parsed, masked)), ...rows });
    }
    return { ...(await joined(results)), ...cutsOf(encodings) };
  }

  /**
   * Any number of texts, batch by batch, in their order. With `pooling` the texts of a window (16 batches)
   * are computed from the longest to the shortest, which spares padding, and while one window computes the
   * next is read and tokenised; without, each batch is computed as it comes. Ending the loop early stops the
   * work.
   *
   * @param texts An array, a generator, a stream of lines …
   * @throws `ERR_INVALID_ARG` for what is no text; the signal's reason.
   */
  async *encodeStream(
    texts: TextSource,
    options: PoolTextOptions = {},
  ): AsyncGenerator<TextBatch, void, undefined> {
    const parsed = parseOptions(poolTextOptions, options, 'encodeStream');
    const ended = new AbortController();
    const signal = AbortSignal.any([ended.signal, ...(parsed.signal ? [parsed.signal] : [])]);
    const request = { ...parsed, signal };
    try {
      yield* parsed.pooling === 'none'
        ? this.#states(texts, request)
        : pooledBatches(texts, {
            batchSize: parsed.batchSize,
            batchTokens: batchTokens[this.device === 'cpu' ? 'cpu' : 'cuda'],
            tokenize: (group) => this.#tokenize(group, request),
            pool: (encodings) => this.#pool(encodings, request),
          });
    } finally {
      ended.abort();
    }
  }

  /**
   * Teaches the encoder a token by learned embeddings: textual inversion. A token of several vectors stands
   * for all of them (`<x>`, `<x>_1`, …), wherever a text has it.
   *
   * @param path A file in diffusers' or AUTOMATIC1111's form, or a folder with `learned_embeds.safetensors`.
   * @param options `token`: in place of the one that the file names.
   * @returns The token.
   * @throws `ERR_INVALID_ARG` when the vocabulary has the token already, `ERR_SHAPE` when the embeddings are
   * of another width, `ERR_NON_FINITE`, `ERR_WEIGHTS_…`. Nothing changes then.
   */
  async loadTextualInversion(
    path: string,
    options: { readonly token?: string | undefined } & JobOptions = {},
  ): Promise<string> {
    return this.#learned.load(path, options);
  }

  /** Takes a learned token back. `ERR_INVALID_ARG` for one that was not loaded. */
  async unloadTextualInversion(token: string, options: JobOptions = {}): Promise<void> {
    await this.#learned.unload(token, options);
  }

  /**
   * Saves config.json and model.safetensors into a folder, as diffusers and transformers read them. Learned
   * tokens stay in their own files.
   *
   * @throws `ERR_WRITE`, `ERR_DISPOSED`.
   */
  async save(folder: string, options: SaveOptions = {}): Promise<void> {
    await saveModel(this, folder, 'model.safetensors', options, (path, dtype, token) =>
      addon().textEncoderSave(this.#handle, path, dtype, token),
    );
  }

  get #defaultLength(): number {
    return Math.min(this.tokenizer.modelMaxLength, this.maxLength);
  }

  #tokenize(
    texts: readonly string[],
    { maxLength = this.#defaultLength, signal }: z.output<typeof poolTextOptions>,
  ): Promise<Encoding[]> {
    return tokenize(this.tokenizer, texts, { maxLength, signal });
  }

  #forward(
    inputs: TextEncoderInputs,
    request: ForwardRequest,
    maskPadding: boolean,
  ): Promise<TextEncoderStates> {
    return statesOfTokens(this.#handle, inputs, request, maskPadding);
  }

  async #pool(
    encodings: readonly Encoding[],
    options: z.output<typeof poolTextOptions>,
  ): Promise<Tensor> {
    const maskPadding = options.useAttentionMask ?? this.masksPadding;
    const rows = tokenRows(encodings, longest(encodings), this.tokenizer.padTokenId);
    using inputIds = rows.inputIds;
    using attentionMask = rows.attentionMask;
    return pooledTokens(this.#handle, { inputIds, attentionMask }, options, maskPadding);
  }

  async *#states(
    source: TextSource,
    options: z.output<typeof poolTextOptions>,
  ): AsyncGenerator<TextBatch, void, undefined> {
    let start = 0;
    for await (const texts of groupsOf(source, options.batchSize)) {
      const { lastHiddenState, attentionMask, droppedTexts, truncated } = await this.encode(
        texts,
        options,
      );
      const cuts = { droppedTexts, truncated };
      yield { start, texts, pooled: undefined, lastHiddenState, attentionMask, ...cuts };
      start += texts.length;
    }
  }
}
