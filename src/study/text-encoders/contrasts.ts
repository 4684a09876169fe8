import type { Tensor } from '../../index.js';
import { mean } from '../statistics.js';
import type { Contrast } from './clinical-texts.js';

/** Whether an encoder tells apart what differs by one word. */
export interface SensitivityResult {
  readonly contrasts: number;
  /** Mean cosine of a sentence with another wording of the same. */
  readonly same: number;
  /** With its contradiction, which differs by a word. */
  readonly opposite: number;
  /** With the same wording about another finding. */
  readonly other: number;
  /** How often the other wording is nearer than the contradiction; 0.5 is chance. */
  readonly sameIsNearer: number;
}

/** The sentences of contrasts in the order in which {@link sensitivityOf} expects their vectors. */
export function sentencesOf(contrasts: readonly Contrast[]): string[] {
  return contrasts.flatMap(({ anchor, same, opposite, other }) => [anchor, same, opposite, other]);
}

/** @param vectors [4 · contrasts, D], of {@link sentencesOf}. */
export async function sensitivityOf(
  vectors: Tensor,
  signal: AbortSignal | undefined,
): Promise<SensitivityResult> {
  const [rows = 0, width = 0] = vectors.shape;
  const count = rows / 4;
  using grouped = await vectors.reshape([count, 4, width], { signal });
  using lengths = await grouped.norm([2], true, { signal });
  using units = await grouped.div(lengths, { signal });
  const [anchor, same, opposite, other] = await Promise.all(
    [0, 1, 2, 3].map((part) => units.slice(1, part, part + 1, { signal })),
  );
  const cosines = await Promise.all(
    [same, opposite, other].map((part) => cosine(anchor as Tensor, part as Tensor, signal)),
  );
  for (const part of [anchor, same, opposite, other]) part?.dispose();
  const [toSame = [], toOpposite = [], toOther = []] = cosines;
  const wins = toSame.map((value, index) => {
    const contrary = toOpposite[index] ?? Number.NaN;
    return value === contrary ? 0.5 : Number(value > contrary);
  });
  return {
    contrasts: count,
    same: mean(toSame),
    opposite: mean(toOpposite),
    other: mean(toOther),
    sameIsNearer: mean(wins),
  };
}

async function cosine(a: Tensor, b: Tensor, signal: AbortSignal | undefined): Promise<number[]> {
  using products = await a.mul(b, { signal });
  using sums = await products.sum([1, 2], false, { signal });
  return Array.from(sums.data(), Number);
}
