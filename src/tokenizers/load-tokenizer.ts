import { join } from 'node:path';
import { byteLevelBpeTokenizerJson, robertaTokens } from './byte-level-bpe-tokenizer.js';
import { clipTokenizerJson, clipTokens } from './clip-tokenizer.js';
import { HuggingFaceTokenizer, type TokenizerJson } from './hugging-face-tokenizer.js';
import {
  type RoleTokens,
  resolveSpecialTokens,
  type SpecialTokens,
  type TokenizerFiles,
} from './special-tokens.js';
import type { Tokenizer } from './tokenizer.js';
import {
  checkIds,
  parseMerges,
  parseOptional,
  parseVocabJson,
  parseVocabText,
  readOptional,
  tokenizerError,
} from './tokenizer-files.js';
import { parseTokenizerJson, vocabularyOf } from './tokenizer-json.js';
import { bertTokens, wordPieceTokenizerJson } from './wordpiece-tokenizer.js';

/** What {@link loadTokenizer} can be told besides the folder. */
export interface LoadTokenizerOptions {
  /**
   * Most ids that the model takes (`max_position_embeddings`). The smaller of this and the folder's
   * `model_max_length` counts.
   *
   * @default Infinity
   */
  readonly modelMaxLength?: number;
}

/**
 * Loads the tokenizer of a folder in the Hugging Face layout: `tokenizer.json`, or `vocab.json` with
 * `merges.txt` (CLIP, RoBERTa), or `vocab.txt` (BERT), in this order, with `tokenizer_config.json`,
 * `special_tokens_map.json` and `added_tokens.json` where they exist.
 *
 * @param directory - The folder.
 * @throws LatentrayError `ERR_TOKENIZER` naming the file and the reason.
 */
export async function loadTokenizer(
  directory: string,
  options: LoadTokenizerOptions = {},
): Promise<Tokenizer> {
  return tokenizerFrom(directory, (name) => readOptional(directory, name), options);
}

/** A file's text by its name, or undefined where there is none. */
type ReadFile = (name: string) => Promise<string | undefined>;

/** @internal {@link loadTokenizer} over files that lie anywhere; messages name them as in `directory`. */
export async function tokenizerFrom(
  directory: string,
  read: ReadFile,
  options: LoadTokenizerOptions = {},
): Promise<Tokenizer> {
  const files = await readSettings(directory, read);
  const { json, roles } = await readDefinition(directory, read, files);
  return new HuggingFaceTokenizer({
    json,
    roles,
    modelMaxLength: Math.min(
      publishedMaxLength(files.config, directory),
      options.modelMaxLength ?? Infinity,
    ),
    cleanUpTokenizationSpaces: files.config.clean_up_tokenization_spaces === true,
    origin: directory,
  });
}

async function readSettings(directory: string, read: ReadFile): Promise<TokenizerFiles> {
  const [config = {}, specialTokensMap, addedTokens] = await Promise.all(
    ['tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'].map(async (name) =>
      parseOptional(await read(name), join(directory, name)),
    ),
  );
  checkIds(Object.entries(addedTokens ?? {}), join(directory, 'added_tokens.json'));
  checkIds(
    Object.keys(config.added_tokens_decoder ?? {}).map((id) => [id, Number(id)]),
    join(directory, 'tokenizer_config.json'),
  );
  return { config, specialTokensMap, addedTokens };
}

/** transformers writes 1e30 for "no limit". */
function publishedMaxLength(
  { model_max_length: length }: TokenizerFiles['config'],
  directory: string,
): number {
  if (typeof length !== 'number' || length > 2 ** 31) return Infinity;
  if (Number.isInteger(length) && length > 0) return length;
  throw tokenizerError(
    join(directory, 'tokenizer_config.json'),
    `'model_max_length': expected a positive integer, found ${length}`,
  );
}

interface Definition {
  readonly json: TokenizerJson;
  readonly roles: RoleTokens;
}

async function readDefinition(
  directory: string,
  read: ReadFile,
  files: TokenizerFiles,
): Promise<Definition> {
  const tokenizerJson = await read('tokenizer.json');
  if (tokenizerJson !== undefined) return fromTokenizerJson(tokenizerJson, directory, files);
  const vocabJson = await read('vocab.json');
  if (vocabJson !== undefined) {
    return fromVocabJson(vocabJson, await read('merges.txt'), directory, files);
  }
  const vocabText = await read('vocab.txt');
  if (vocabText !== undefined) return fromVocabText(vocabText, directory, files);
  throw tokenizerError(
    directory,
    'expected tokenizer.json, vocab.json with merges.txt, or vocab.txt, found none of them',
  );
}

function fromTokenizerJson(text: string, directory: string, files: TokenizerFiles): Definition {
  const json = parseTokenizerJson(text, join(directory, 'tokenizer.json'));
  const defaults = classTokens(json.model);
  const tokens = resolveSpecialTokens(files, vocabularyOf(json.model), defaults, json.added_tokens);
  return { json: { ...json, added_tokens: tokens.added }, roles: tokens.roles };
}

function classTokens(model: TokenizerJson['model']): RoleTokens {
  if (model.type === 'WordPiece') return bertTokens;
  if (model.type !== 'BPE') return {};
  return model.end_of_word_suffix ? clipTokens : robertaTokens;
}

function fromVocabJson(
  text: string,
  mergesText: string | undefined,
  directory: string,
  files: TokenizerFiles,
): Definition {
  const path = join(directory, 'vocab.json');
  const vocab = parseVocabJson(text, path);
  if (mergesText === undefined) {
    throw tokenizerError(join(directory, 'merges.txt'), 'is missing beside vocab.json');
  }
  const merges = parseMerges(mergesText, join(directory, 'merges.txt'), vocab);
  const isClip = saysClip(files.config, vocab);
  const tokens = specialTokens(files, vocab, isClip ? clipTokens : robertaTokens, path);
  const json = isClip
    ? clipTokenizerJson(vocab, merges, tokens)
    : byteLevelBpeTokenizerJson(vocab, merges, tokens, files.config.add_prefix_space === true);
  return { json, roles: tokens.roles };
}

/** By the class that the folder names; a folder that names none is known by CLIP's opening token. */
function saysClip({ tokenizer_class }: TokenizerFiles['config'], vocab: object): boolean {
  if (typeof tokenizer_class === 'string') return tokenizer_class.startsWith('CLIPTokenizer');
  return Object.hasOwn(vocab, clipTokens.bos as string);
}

function fromVocabText(text: string, directory: string, files: TokenizerFiles): Definition {
  const vocab = parseVocabText(text);
  const { config } = files;
  if (config.do_basic_tokenize === false) {
    const path = join(directory, 'tokenizer_config.json');
    throw tokenizerError(path, "'do_basic_tokenize': false is not supported");
  }
  const tokens = specialTokens(files, vocab, bertTokens, join(directory, 'vocab.txt'));
  const json = wordPieceTokenizerJson(vocab, tokens, {
    lowercase: config.do_lower_case !== false,
    stripAccents: typeof config.strip_accents === 'boolean' ? config.strip_accents : null,
    splitChineseCharacters: config.tokenize_chinese_chars !== false,
  });
  return { json, roles: tokens.roles };
}

function specialTokens(
  files: TokenizerFiles,
  vocab: Readonly<Record<string, number>>,
  defaults: RoleTokens,
  path: string,
): SpecialTokens {
  const tokens = resolveSpecialTokens(files, vocab, defaults);
  for (const [role, token] of Object.entries(defaults)) {
    if (role !== 'mask' && role !== 'pad' && !(role in tokens.roles)) {
      throw tokenizerError(path, `has no ${role} token '${token}'`);
    }
  }
  return tokens;
}
