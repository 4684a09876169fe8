// What a tokenizer.json may hold: the parts that the backend runs, with the fields that it reads, which it
// takes as they are. Fields that nobody reads may be anything.

import { z } from 'zod';

const flag = z.boolean().nullish();
const text = z.string();
const optionalText = z.string().nullish();
const id = z
  .int()
  .min(0)
  .lt(2 ** 31);
const size = z
  .int()
  .min(1)
  .lt(2 ** 31);

const pattern = z.union([z.looseObject({ Regex: text }), z.looseObject({ String: text })]);
const replace = z.looseObject({ type: z.literal('Replace'), pattern, content: text });

/** A part of this type with these fields. */
function part<Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) {
  return z.looseObject({ type: z.literal(type), ...shape });
}

/** One of the parts of a kind. */
function oneOf<Parts extends readonly [ReturnType<typeof part>, ...ReturnType<typeof part>[]]>(
  parts: Parts,
) {
  return z.discriminatedUnion('type', parts, {
    error: ({ code, input }) =>
      code === 'invalid_union'
        ? `${JSON.stringify((input as { type?: unknown }).type)} is not supported`
        : undefined,
  });
}

const normalizer: z.ZodType = z.lazy(() =>
  oneOf([
    part('BertNormalizer', {
      clean_text: flag,
      handle_chinese_chars: flag,
      strip_accents: flag,
      lowercase: flag,
    }),
    part('Lowercase', {}),
    part('NFC', {}),
    part('NFD', {}),
    part('NFKC', {}),
    part('NFKD', {}),
    part('Precompiled', {}),
    part('Prepend', { prepend: text }),
    replace,
    part('Sequence', { normalizers: z.array(normalizer) }),
    part('Strip', { strip_left: flag, strip_right: flag }),
    part('StripAccents', {}),
  ]),
);

const preTokenizer: z.ZodType = z.lazy(() =>
  oneOf([
    part('BertPreTokenizer', {}),
    part('ByteLevel', { add_prefix_space: flag, trim_offsets: flag, use_regex: flag }),
    part('Digits', { individual_digits: flag }),
    part('FixedLength', { length: size }),
    part('Metaspace', {
      replacement: optionalText,
      str_rep: optionalText,
      prepend_scheme: optionalText,
    }),
    part('Punctuation', {}),
    replace,
    part('Sequence', { pretokenizers: z.array(preTokenizer) }),
    part('Split', { pattern, behavior: text, invert: flag }),
    part('Whitespace', {}),
    part('WhitespaceSplit', {}),
  ]),
);

/** A special token's place, or a text's (A and B). */
interface Piece {
  readonly SpecialToken?: { readonly id?: unknown; readonly type_id?: unknown };
  readonly Sequence?: { readonly id?: unknown; readonly type_id?: unknown };
}

/** A template of many wrong pieces is one short error. */
const template = z.custom<readonly Piece[]>(
  (value) => Array.isArray(value) && value.every(isPiece),
  'expected a list of { SpecialToken } and { Sequence }',
);

function isPiece(value: Piece | null | undefined): boolean {
  const { SpecialToken: token, Sequence: sequence } = value ?? {};
  const names = token ? typeof token.id === 'string' : ['A', 'B'].includes(sequence?.id as string);
  return names && Number.isSafeInteger((token ?? sequence)?.type_id);
}

const tokenAndId = z.tuple([text, id]);

const postProcessor: z.ZodType = z.lazy(() =>
  oneOf([
    part('BertProcessing', { sep: tokenAndId, cls: tokenAndId }),
    part('ByteLevel', { trim_offsets: flag }),
    part('RobertaProcessing', { sep: tokenAndId, cls: tokenAndId }),
    part('Sequence', { processors: z.array(postProcessor) }),
    part('TemplateProcessing', { single: template, pair: template }),
  ]),
);

const decoder: z.ZodType = z.lazy(() =>
  oneOf([
    part('BPEDecoder', { suffix: optionalText }),
    part('ByteFallback', {}),
    part('ByteLevel', { trim_offsets: flag }),
    part('CTC', { pad_token: optionalText, word_delimiter_token: optionalText, cleanup: flag }),
    part('Fuse', {}),
    part('Metaspace', { replacement: optionalText }),
    replace,
    part('Sequence', { decoders: z.array(decoder) }),
    part('Strip', { content: text, start: id, stop: id }),
    part('WordPiece', { prefix: text, cleanup: flag }),
  ]),
);

/** The vocabulary and the merges are long: what is in them is checked elsewhere. */
const vocabulary = z.custom<object>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected an object',
);
const list = z.custom<readonly unknown[]>(Array.isArray, 'expected a list');

const model = oneOf([
  part('BPE', {
    vocab: vocabulary,
    merges: list,
    unk_token: optionalText,
    continuing_subword_prefix: z.literal(['', null], 'is not supported for BPE').optional(),
    continuing_subword_suffix: optionalText,
    end_of_word_suffix: optionalText,
    byte_fallback: flag,
    ignore_merges: flag,
    fuse_unk: flag,
  }),
  part('Unigram', { vocab: list, unk_id: id }),
  part('WordPiece', {
    vocab: vocabulary,
    unk_token: text,
    continuing_subword_prefix: text,
    max_input_chars_per_word: size.nullish(),
  }),
]);

const addedToken = z.looseObject({
  id,
  content: z.string('expected a text').min(1, 'expected a text'),
  single_word: z.literal([false, null], 'is not supported').optional(),
  lstrip: flag,
  rstrip: flag,
  normalized: flag,
  special: flag,
});

export const tokenizerJson = z.looseObject({
  normalizer: normalizer.nullish(),
  pre_tokenizer: preTokenizer.nullish(),
  post_processor: postProcessor.nullish(),
  decoder: decoder.nullish(),
  model,
  added_tokens: z.array(addedToken).nullish(),
});
