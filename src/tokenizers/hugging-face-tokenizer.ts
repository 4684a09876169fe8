// Our Tokenizer over @huggingface/tokenizers, which splits texts and knows neither truncation nor padding.

import { Tokenizer as Backend } from '@huggingface/tokenizers';
import { z } from 'zod';
import { invalidArgument, LatentrayError } from '../errors.js';
import { parseOptions } from '../parse-options.js';
import { correctForBackend } from './backend-corrections.js';
import type { AddedToken, RoleTokens, TokenRole } from './special-tokens.js';
import {
  assemble,
  padded,
  readTemplate,
  sharedLengths,
  specialsOf,
  type Template,
  tooShort,
} from './template.js';
import type {
  DecodeOptions,
  EncodeBatchOptions,
  EncodeChunksOptions,
  EncodeOptions,
  EncodePairOptions,
  Encoding,
  Tokenizer,
} from './tokenizer.js';

/** The parts of a tokenizer.json, read from a file or built in memory from older files. */
export interface TokenizerJson {
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  readonly post_processor: unknown;
  readonly decoder: unknown;
  readonly model: Readonly<Record<string, unknown>>;
  readonly added_tokens: AddedToken[];
}

/** Everything that a {@link HuggingFaceTokenizer} is made of. */
export interface TokenizerDefinition {
  readonly json: TokenizerJson;
  readonly roles: RoleTokens;
  readonly modelMaxLength: number;
  /** Join punctuation and contractions when decoding. */
  readonly cleanUpTokenizationSpaces: boolean;
  /** The file or folder that messages name. */
  readonly origin: string;
}

const encodeOptions = z.strictObject({
  maxLength: z.int().positive().optional(),
  padding: z.literal(['max_length', 'longest', false]).default(false),
  truncation: z.boolean().default(true),
  addSpecialTokens: z.boolean().default(true),
});
const encodePairOptions = encodeOptions.extend({ pair: z.string().optional() });
const encodeBatchOptions = encodeOptions.extend({ pairs: z.array(z.string()).optional() });
const encodeChunksOptions = encodeOptions.pick({ maxLength: true });
const decodeOptions = z.strictObject({ skipSpecialTokens: z.boolean().default(false) });

export class HuggingFaceTokenizer implements Tokenizer {
  readonly modelMaxLength: number;
  readonly #definition: TokenizerDefinition;
  #added: AddedToken[];
  /** By the id of the first token: all that it stands for. */
  readonly #sequences = new Map<number, readonly number[]>();
  #backend!: Backend;
  #single!: Template;
  #pair!: Template;

  /** @throws LatentrayError `ERR_TOKENIZER` for a definition that the backend cannot run. */
  constructor(definition: TokenizerDefinition) {
    this.#definition = definition;
    this.modelMaxLength = definition.modelMaxLength;
    this.#added = definition.json.added_tokens;
    this.#build();
    const specials = specialsOf(this.#single);
    if (this.modelMaxLength > specials) return;
    const { origin } = definition;
    const message = `${origin}: a text's ${specials} special tokens leave no room in ${this.modelMaxLength} ids`;
    throw new LatentrayError('ERR_TOKENIZER', message, { path: origin });
  }

  get vocabSize(): number {
    return this.#backend.model?.vocab.length ?? 0;
  }
  get bosTokenId(): number | undefined {
    return this.#roleId('bos');
  }
  get eosTokenId(): number | undefined {
    return this.#roleId('eos');
  }
  get padTokenId(): number | undefined {
    return this.#roleId('pad');
  }
  get unkTokenId(): number | undefined {
    return this.#roleId('unk');
  }
  get clsTokenId(): number | undefined {
    return this.#roleId('cls');
  }
  get sepTokenId(): number | undefined {
    return this.#roleId('sep');
  }
  get maskTokenId(): number | undefined {
    return this.#roleId('mask');
  }

  encode(text: string, options?: EncodePairOptions): Encoding {
    const { pair, ...rest } = parseOptions(encodePairOptions, options, 'encode');
    return this.#encodeAll([text], pair === undefined ? undefined : [pair], rest)[0] as Encoding;
  }

  encodeBatch(texts: readonly string[], options?: EncodeBatchOptions): Encoding[] {
    if (!Array.isArray(texts)) throw invalidArgument('texts', 'an array of strings', texts);
    const { pairs, ...rest } = parseOptions(encodeBatchOptions, options, 'encodeBatch');
    if (pairs && pairs.length !== texts.length) {
      throw invalidArgument('pairs', `${texts.length} strings, one a text`, pairs.length);
    }
    return this.#encodeAll(texts, pairs, rest);
  }

  encodeChunks(text: string, options?: EncodeChunksOptions): Encoding[] {
    const { maxLength } = parseOptions(encodeChunksOptions, options, 'encodeChunks');
    const limit = maxLength ?? this.modelMaxLength;
    const ids = this.#ids(text);
    const room = limit - specialsOf(this.#single);
    if (room <= 0) throw tooShort(this.#single, limit);
    const count = Number.isFinite(room) ? Math.max(1, Math.ceil(ids.length / room)) : 1;
    return Array.from({ length: count }, (_, n) => {
      const chunk = ids.slice(n * room || 0, (n + 1) * room);
      return assemble({ A: chunk, B: [] }, this.#single);
    });
  }

  decode(ids: readonly number[], options?: DecodeOptions): string {
    const { skipSpecialTokens } = parseOptions(decodeOptions, options, 'decode');
    for (const id of ids) {
      if (this.#backend.id_to_token(id) === undefined) {
        throw invalidArgument('ids', `token ids below ${this.vocabSize}`, id);
      }
    }
    if (ids.length === 0) return '';
    const text = this.#backend.decode([...ids], { skip_special_tokens: skipSpecialTokens });
    // A suffix that ends every word has become a space, after the last word too.
    return this.#definition.json.model.end_of_word_suffix ? text.trim() : text;
  }

  tokenToId(token: string): number | undefined {
    return this.#backend.token_to_id(token);
  }

  addTokens(tokens: readonly string[]): number[] {
    const added = [...this.#added];
    let nextId = this.vocabSize;
    const ids = tokens.map((content) => {
      if (typeof content !== 'string' || content.trim() === '') {
        throw invalidArgument('tokens', 'strings that are not empty', content);
      }
      const known = added.find((token) => token.content === content);
      if (known) return known.id;
      const id = this.tokenToId(content) ?? nextId++;
      added.push({
        id,
        content,
        lstrip: false,
        rstrip: false,
        normalized: true,
        special: false,
      });
      return id;
    });
    this.#added = added;
    this.#build();
    return ids;
  }

  addTokenSequence(tokens: readonly string[]): number[] {
    const ids = this.addTokens(tokens);
    if (ids.length > 1) this.#sequences.set(ids[0] as number, ids);
    return ids;
  }

  removeTokens(tokens: readonly string[]): void {
    const published = this.#definition.json.added_tokens;
    for (const token of tokens) {
      const isOurs = (added: AddedToken) => added.content === token && !published.includes(added);
      if (!this.#added.some(isOurs)) throw invalidArgument('tokens', 'added tokens', token);
    }
    for (const { id, content } of this.#added) {
      if (tokens.includes(content)) this.#sequences.delete(id);
    }
    this.#added = this.#added.filter(({ content }) => !tokens.includes(content));
    this.#build();
  }

  #build(): void {
    const { json, origin, cleanUpTokenizationSpaces } = this.#definition;
    try {
      this.#backend = new Backend(
        { ...correctForBackend(json), added_tokens: this.#added },
        { clean_up_tokenization_spaces: cleanUpTokenizationSpaces },
      );
      const idOf = (token: string) => this.#requireToken(token);
      this.#single = readTemplate(this.#backend, json, ['A'], idOf);
      this.#pair = readTemplate(this.#backend, json, ['A', 'B'], idOf);
    } catch (cause) {
      if (LatentrayError.isInstance(cause)) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new LatentrayError('ERR_TOKENIZER', `${origin}: ${reason}`, { cause, path: origin });
    }
  }

  #requireToken(token: string): number {
    const id = this.tokenToId(token);
    if (id !== undefined) return id;
    const { origin } = this.#definition;
    const message = `${origin}: the token '${token}' around every text is not in the vocabulary`;
    throw new LatentrayError('ERR_TOKENIZER', message, { path: origin, token });
  }

  #roleId(role: TokenRole): number | undefined {
    const token = this.#definition.roles[role];
    return token === undefined ? undefined : this.tokenToId(token);
  }

  #encodeAll(
    texts: readonly string[],
    pairs: readonly string[] | undefined,
    options: EncodeOptions,
  ): Encoding[] {
    const limit = options.maxLength ?? this.modelMaxLength;
    if (options.padding === 'max_length' && !Number.isFinite(limit)) {
      throw invalidArgument(
        'maxLength',
        "a number, because padding is 'max_length' and the tokenizer's files name no length",
        options.maxLength,
      );
    }
    const encodings = texts.map((text, index) =>
      this.#encodeOne(text, pairs?.[index], limit, options),
    );
    if (!options.padding) return encodings;
    const longest = Math.max(0, ...encodings.map(({ inputIds }) => inputIds.length));
    const length = options.padding === 'longest' ? longest : limit;
    return encodings.map((encoding) =>
      padded(encoding, length, this.padTokenId, this.#definition.origin),
    );
  }

  #encodeOne(
    text: string,
    pair: string | undefined,
    limit: number,
    { truncation, addSpecialTokens }: EncodeOptions,
  ): Encoding {
    const a = this.#ids(text);
    const b = pair ? this.#ids(pair) : [];
    const whole = pair ? this.#pair : this.#single;
    const template = addSpecialTokens ? whole : whole.filter(({ slot }) => slot);
    const specials = specialsOf(template);
    const tokenCount = a.length + b.length + specials;
    const truncated = truncation === true && tokenCount > limit;
    if (limit <= specials) throw tooShort(template, limit);
    const [keepA, keepB] = truncated
      ? sharedLengths(a.length, b.length, limit - specials)
      : [a.length, b.length];

    const kept = { A: a.slice(0, keepA), B: b.slice(0, keepB) };
    const droppedText = [a.slice(keepA), b.slice(keepB)]
      .map((ids) => this.decode(ids))
      .filter((part) => part !== '')
      .join(' … ');
    return { ...assemble(kept, template), truncated, tokenCount, droppedText };
  }

  #ids(text: string): number[] {
    if (typeof text !== 'string') throw invalidArgument('text', 'a string', text);
    const { ids } = this.#backend.encode(text, { add_special_tokens: false });
    if (this.#sequences.size === 0) return ids;
    return ids.flatMap((id: number) => this.#sequences.get(id) ?? [id]);
  }
}
