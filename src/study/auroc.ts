/**
 * Hanley and McNeil's area: how often a positive scores above a negative, ties counting half. Rows whose
 * label is neither 1 nor 0, or whose score is NaN, are left out; NaN where a class is missing.
 */
export function auroc(labels: readonly number[], scores: readonly number[]): number {
  const rows = labels
    .map((label, row) => ({ label, score: scores[row] ?? Number.NaN }))
    .filter(({ label, score }) => (label === 0 || label === 1) && !Number.isNaN(score))
    .sort((a, b) => a.score - b.score);
  let [positives, rankSum] = [0, 0];
  for (let start = 0; start < rows.length; ) {
    let end = start;
    while (end < rows.length && rows[end]?.score === rows[start]?.score) end++;
    const tied = rows.slice(start, end).filter(({ label }) => label === 1).length;
    positives += tied;
    rankSum += (tied * (start + end + 1)) / 2;
    start = end;
  }
  const negatives = rows.length - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}
