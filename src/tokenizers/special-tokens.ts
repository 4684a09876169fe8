// Which tokens of a tokenizer have a role, and which are never split: what transformers gathers from
// tokenizer_config.json, special_tokens_map.json and added_tokens.json (TokenizersBackend, v5).

/** The roles that a token can have, by their names in tokenizer_config.json without `_token`. */
export const tokenRoles = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'] as const;

export type TokenRole = (typeof tokenRoles)[number];

/** A token that is found before a text is split; the keys are tokenizer.json's. */
export interface AddedToken {
  id: number;
  content: string;
  lstrip: boolean;
  rstrip: boolean;
  /** Looked for in the normalised text instead of in the text itself. */
  normalized: boolean;
  /** Left out by `decode(…, { skipSpecialTokens: true })`. */
  special: boolean;
}

export type RoleTokens = Partial<Record<TokenRole, string>>;

export interface SpecialTokens {
  readonly roles: RoleTokens;
  readonly added: AddedToken[];
}

/** A token in a configuration: its text, or an object with `content` and flags. */
type TokenEntry = string | ({ content: string } & Partial<AddedToken>);

/** The parsed files of a tokenizer's folder; absent files are undefined. */
export interface TokenizerFiles {
  readonly config: Record<string, unknown>;
  readonly specialTokensMap: Record<string, unknown> | undefined;
  readonly addedTokens: Record<string, unknown> | undefined;
}

/**
 * @param files - What the folder says.
 * @param vocabulary - The id of every token of the base vocabulary.
 * @param defaults - The published class's own tokens; those that the vocabulary lacks have no role.
 * @param known - Tokens that tokenizer.json lists already.
 */
export function resolveSpecialTokens(
  files: TokenizerFiles,
  vocabulary: Readonly<Record<string, number>>,
  defaults: RoleTokens,
  known: readonly AddedToken[] = [],
): SpecialTokens {
  const added = new Map(known.map((token) => [token.content, token]));
  const legacy = !isRecord(files.config.added_tokens_decoder);
  for (const token of legacy ? tokensOfLegacyFile(files) : tokensOfDecoder(files)) {
    if (!added.has(token.content)) added.set(token.content, token);
  }

  const idOf = (content: string) =>
    Object.hasOwn(vocabulary, content) ? vocabulary[content] : undefined;
  const include = (entry: TokenEntry): string => {
    const { content, ...flags } = typeof entry === 'string' ? { content: entry } : entry;
    const there = added.get(content);
    if (there) {
      there.special = true;
    } else {
      const id = idOf(content) ?? nextId(vocabulary, added.values());
      added.set(content, { ...unnormalized, ...flags, id, content, special: true });
    }
    return content;
  };

  // Without added_tokens_decoder the map wins: Stable Diffusion 2 pads with "!" by its map alone.
  const named = legacy ? { ...files.config, ...files.specialTokensMap } : files.config;
  const roles: RoleTokens = {};
  for (const role of tokenRoles) {
    const entry = named[`${role}_token`];
    const fallback = defaults[role];
    if (isTokenEntry(entry)) {
      roles[role] = include(entry);
    } else if (entry === undefined && fallback !== undefined && idOf(fallback) !== undefined) {
      roles[role] = include(fallback);
    }
  }
  for (const entry of [named.additional_special_tokens, named.extra_special_tokens].flat()) {
    if (isTokenEntry(entry)) include(entry);
  }
  return { roles, added: [...added.values()] };
}

const unnormalized = { lstrip: false, rstrip: false, normalized: false };

function nextId(
  vocabulary: Readonly<Record<string, number>>,
  added: Iterable<{ readonly id: number }>,
): number {
  let largest = -1;
  for (const id of Object.values(vocabulary)) if (id > largest) largest = id;
  for (const { id } of added) if (id > largest) largest = id;
  return largest + 1;
}

function* tokensOfDecoder({ config }: TokenizerFiles): Iterable<AddedToken> {
  for (const [id, entry] of Object.entries(config.added_tokens_decoder as object)) {
    if (!isTokenEntry(entry) || typeof entry === 'string') continue;
    const { content, lstrip = false, rstrip = false, special = false } = entry;
    const normalized = entry.normalized ?? !special;
    yield { id: Number(id), content, lstrip, rstrip, normalized, special };
  }
}

function* tokensOfLegacyFile({ addedTokens }: TokenizerFiles): Iterable<AddedToken> {
  for (const [content, id] of Object.entries(addedTokens ?? {})) {
    if (typeof id !== 'number') continue;
    yield { ...unnormalized, id, content, normalized: true, special: false };
  }
}

function isTokenEntry(value: unknown): value is TokenEntry {
  return typeof value === 'string' || (isRecord(value) && typeof value.content === 'string');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
