import { metrics } from '../../index.js';

/** Whether a classifier sees what it was asked for: the abnormality test of arXiv 2210.04133. */
export interface LabelSeen {
  readonly label: string;
  /** Between images whose prompts ask for the label and images whose prompts leave it out. */
  readonly auroc: metrics.RankingEstimate;
  /** The share of images on the right side of a probability of 0.5. */
  readonly agreement: number;
}

/** What a classifier says of the images of one prompt. */
export interface PromptProbabilities {
  readonly labels: Readonly<Record<string, 0 | 1>>;
  /** An image a row, of the classifier's labels. */
  readonly probabilities: readonly Float32Array[];
}

/** Labels of the classifier's that some prompt asks for and another leaves out. */
export async function labelsSeen(
  names: readonly string[],
  prompts: readonly PromptProbabilities[],
  signal: AbortSignal | undefined,
): Promise<LabelSeen[]> {
  const seen: LabelSeen[] = [];
  for (const [at, label] of names.entries()) {
    const asked = prompts.flatMap(({ labels, probabilities }) => {
      const value = labels[label];
      return value === undefined
        ? []
        : probabilities.map((row) => ({ value, score: row[at] ?? 0 }));
    });
    if (new Set(asked.map(({ value }) => value)).size < 2) continue;
    const agreeing = asked.filter(({ value, score }) => score >= 0.5 === (value === 1)).length;
    seen.push({
      label,
      auroc: await metrics.auroc(
        Float32Array.from(asked, ({ value }) => value),
        Float32Array.from(asked, ({ score }) => score),
        { bootstrap: true, signal },
      ),
      agreement: agreeing / asked.length,
    });
  }
  return seen;
}
