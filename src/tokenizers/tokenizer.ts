/** How {@link Tokenizer.encode} shapes its result. */
export interface EncodeOptions {
  /**
   * Most ids a text may take, special tokens included. Minimum: one more than the special tokens.
   *
   * @default the tokenizer's `modelMaxLength`
   */
  readonly maxLength?: number;
  /**
   * `'max_length'` fills every text up to `maxLength`; `'longest'` up to the longest text of the batch;
   * `false` adds nothing.
   *
   * @default false
   */
  readonly padding?: 'max_length' | 'longest' | false;
  /**
   * Cut what is longer than `maxLength` (the closing special token stays, and the result says what was
   * cut). With `false` the ids may be more than the model takes.
   *
   * @default true
   */
  readonly truncation?: boolean;
  /**
   * Add the tokens that open and close a text, such as [CLS] and [SEP].
   *
   * @default true
   */
  readonly addSpecialTokens?: boolean;
}

/** How {@link Tokenizer.encodeChunks} cuts a text. */
export interface EncodeChunksOptions {
  /**
   * Most ids of a chunk, special tokens included. Minimum: one more than the special tokens.
   *
   * @default the tokenizer's `modelMaxLength`
   */
  readonly maxLength?: number;
}

/** {@link EncodeOptions} and the second text of a pair. */
export interface EncodePairOptions extends EncodeOptions {
  /** A second text, set apart from the first as the model was trained to see it. '' is none. */
  readonly pair?: string;
}

/** {@link EncodeOptions} and the second texts of pairs. */
export interface EncodeBatchOptions extends EncodeOptions {
  /** A second text for each text. */
  readonly pairs?: readonly string[];
}

/** A text as ids. `inputIds`, `attentionMask` and `tokenTypeIds` have the same length. */
export interface Encoding {
  /** Token ids, padding included. */
  readonly inputIds: number[];
  /** 1 for a token of the text, 0 for padding. */
  readonly attentionMask: number[];
  /** 1 for the tokens of the second text of a pair (BERT), else 0. */
  readonly tokenTypeIds: number[];
  /** Whether something was cut. */
  readonly truncated: boolean;
  /** Ids that the whole text takes, special tokens included, before cutting and padding. */
  readonly tokenCount: number;
  /** What was cut, as the tokenizer spells it; empty when nothing was. */
  readonly droppedText: string;
}

/** How {@link Tokenizer.decode} spells ids. */
export interface DecodeOptions {
  /**
   * Leave out special tokens such as [CLS] and padding.
   *
   * @default false
   */
  readonly skipSpecialTokens?: boolean;
}

/** Texts to token ids and back, as the published tokenizer of the same name does it. */
export interface Tokenizer {
  /** Rows that an embedding table needs: the largest id plus one, added tokens included. */
  readonly vocabSize: number;
  /** Most ids that the model takes, or Infinity when the files do not say. */
  readonly modelMaxLength: number;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly padTokenId: number | undefined;
  readonly unkTokenId: number | undefined;
  readonly clsTokenId: number | undefined;
  readonly sepTokenId: number | undefined;
  readonly maskTokenId: number | undefined;

  /**
   * One text, or a pair of texts, as ids.
   *
   * @throws LatentrayError `ERR_INVALID_ARG` for options that cannot be; `ERR_TOKENIZER` when padding is
   *   asked of a tokenizer that has no padding token.
   */
  encode(text: string, options?: EncodePairOptions): Encoding;

  /**
   * Several texts as ids; `padding: 'longest'` makes them equally long.
   *
   * @throws LatentrayError as {@link Tokenizer.encode} does.
   */
  encodeBatch(texts: readonly string[], options?: EncodeBatchOptions): Encoding[];

  /**
   * A text of any length as chunks that each open and close as a text of its own: nothing is cut. Every
   * chunk but the last is full; the empty text is one chunk.
   *
   * @throws LatentrayError as {@link Tokenizer.encode} does.
   */
  encodeChunks(text: string, options?: EncodeChunksOptions): Encoding[];

  /**
   * Ids as text, with the spelling that the vocabulary keeps (CLIP's is lower case).
   *
   * @throws LatentrayError `ERR_INVALID_ARG` for an id that the vocabulary does not have.
   */
  decode(ids: readonly number[], options?: DecodeOptions): string;

  /** The id of a token as the vocabulary spells it (`'[CLS]'`, `'lung</w>'`), or undefined. */
  tokenToId(token: string): number | undefined;

  /**
   * Makes the vocabulary larger by tokens that are never split (textual inversion). A token that is there
   * already keeps its id.
   *
   * @returns The id of each token.
   * @throws LatentrayError `ERR_INVALID_ARG` for an empty token.
   */
  addTokens(tokens: readonly string[]): number[];

  /**
   * Adds tokens as {@link Tokenizer.addTokens} does; the first then stands for all of them, in this order,
   * wherever a text has it (a textual inversion of several vectors).
   */
  addTokenSequence(tokens: readonly string[]): number[];

  /**
   * Takes added tokens back. Other tokens keep their ids.
   *
   * @throws LatentrayError `ERR_INVALID_ARG` for a token that was not added by a call.
   */
  removeTokens(tokens: readonly string[]): void;
}
