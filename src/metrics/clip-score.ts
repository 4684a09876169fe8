import { LatentrayError } from '../errors.js';
import { cosineSimilarity } from '../models/cosine-similarity.js';
import type { JobOptions } from '../native/addon.js';
import { jobOptions, parseOptions } from '../parse-options.js';
import { handleOf, type Tensor } from '../tensor.js';
import { type Features, rowsOf } from './feature-statistics.js';

/** How well images go with their texts. */
export interface ClipScore {
  /** The mean of `scores`. */
  readonly value: number;
  /** 100 times each pair's cosine, at least 0. */
  readonly scores: number[];
}

/** Rows that are compared at a time, of which each meets all: what that takes stays small. */
const blockSize = 256;

/**
 * CLIP score (Hessel et al. 2021): the cosine of an image's and its text's projected embeddings of one CLIP,
 * times 100, cut at 0.
 *
 * @param images [N, D], of `FeatureExtractor.clip`.
 * @param texts [N, D], in the same order: `projection` of a `TextEncoder` that has one.
 * @throws `ERR_SHAPE` unless there is one text an image, of one width.
 */
export async function clipScore(
  images: Features,
  texts: Tensor,
  options: JobOptions = {},
): Promise<ClipScore> {
  const job = parseOptions(jobOptions, options, 'clipScore');
  const { rows } = rowsOf(images, 'images');
  handleOf(rows, 'images');
  handleOf(texts, 'texts');
  if (rows.shape.length !== 2 || String(rows.shape) !== String(texts.shape)) {
    throw new LatentrayError(
      'ERR_SHAPE',
      `texts: expected one a row of images [${rows.shape}], received [${texts.shape}]`,
    );
  }
  const [count = 0] = rows.shape;
  const scores: number[] = [];
  for (let start = 0; start < count; start += blockSize) {
    const end = Math.min(start + blockSize, count);
    using left = await rows.slice(0, start, end, job);
    using right = await texts.slice(0, start, end, job);
    using cosines = await cosineSimilarity(left, right, job);
    const values = cosines.data();
    const width = end - start;
    for (let i = 0; i < width; ++i) scores.push(100 * Math.max(0, Number(values[i * (width + 1)])));
  }
  return { value: scores.reduce((sum, score) => sum + score, 0) / count, scores };
}
