// Where the JavaScript backend differs from the Rust tokenizers that define the published ids, said in the
// backend's own configuration:
// - it lowers a word-final Σ to ς, where Rust lowers every letter by itself, to σ;
// - it sets Chinese characters above U+FFFF not apart, because it walks UTF-16 units;
// - ByteLevel's own pattern counts U+FEFF as white space, as JavaScript does and Unicode does not. A Split
//   with the same pattern is translated to Unicode's white space.

import type { TokenizerJson } from './hugging-face-tokenizer.js';

type Part = Readonly<Record<string, unknown>>;

const lowerSigma = { type: 'Replace', pattern: { String: 'Σ' }, content: 'σ' };

const separateRareChinese = {
  type: 'Replace',
  pattern: { Regex: '[\\x{20000}-\\x{2A6DF}\\x{2A700}-\\x{2CEAF}\\x{2F800}-\\x{2FA1F}]' },
  content: ' $& ',
};

const byteLevelWords =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** The same tokenizer, written so that the backend runs it as the Rust tokenizers do. */
export function correctForBackend(json: TokenizerJson): TokenizerJson {
  return {
    ...json,
    normalizer: rewrite(json.normalizer, 'normalizers', correctNormalizer),
    pre_tokenizer: rewrite(json.pre_tokenizer, 'pretokenizers', correctPreTokenizer),
  };
}

function rewrite(
  part: unknown,
  children: 'normalizers' | 'pretokenizers',
  correct: (part: Part) => readonly Part[],
): unknown {
  if (typeof part !== 'object' || part === null) return part;
  const nested = (part as Part)[children];
  if (Array.isArray(nested)) {
    return { ...part, [children]: nested.map((child) => rewrite(child, children, correct)) };
  }
  const parts = correct(part as Part);
  return parts.length === 1 ? parts[0] : { type: 'Sequence', [children]: parts };
}

function correctNormalizer(part: Part): readonly Part[] {
  if (part.type === 'Lowercase') return [lowerSigma, part];
  if (part.type !== 'BertNormalizer') return [part];
  return [
    ...(part.lowercase ? [lowerSigma] : []),
    ...(part.handle_chinese_chars ? [separateRareChinese] : []),
    part,
  ];
}

function correctPreTokenizer(part: Part): readonly Part[] {
  if (part.type !== 'ByteLevel' || part.use_regex === false || part.add_prefix_space) return [part];
  const split = { type: 'Split', pattern: { Regex: byteLevelWords }, behavior: 'Isolated' };
  return [
    { ...split, invert: true },
    { ...part, use_regex: false },
  ];
}
