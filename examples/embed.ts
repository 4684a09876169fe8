// Texts as unit vectors, and how near they are to each other. Works with CLIP's text transformer.
//
//   node examples/embed.ts <text encoder folder> "No pleural effusion." "Left pleural effusion." …
import { TextEncoder, type TextEncoding } from 'latentray';

const [model, ...texts] = process.argv.slice(2);
if (!model || texts.length < 2) {
  throw new Error('usage: embed.ts <text encoder folder> <text> <text …>');
}

const encoder = await TextEncoder.load(model);
const encoding = await encoder.encode(texts, { padding: 'longest', useAttentionMask: true });
const embeddings = await meanOfTokens(encoding);
encoder.dispose();

for (const [row, text] of texts.entries()) {
  const similarities = embeddings.map((other) => dot(embeddings[row], other).toFixed(3));
  console.log(`${similarities.join('  ')}  ${text}`);
}

/** For each text, the mean of its tokens' states, padding left out, at length 1. */
async function meanOfTokens({ lastHiddenState, attentionMask }: TextEncoding) {
  const [count = 0, length = 0, width = 0] = lastHiddenState.shape;
  const mask = await (await attentionMask.to({ dtype: 'float32' })).reshape([count, length, 1]);
  const sums = await (await lastHiddenState.mul(mask)).sum([1]); // [N, D]
  const units = await sums.div(await sums.norm([1], true)); // the division by the number of tokens cancels
  const data = units.data() as Float32Array;
  return texts.map((_, row) => data.slice(row * width, (row + 1) * width));
}

/** The cosine of two unit vectors. */
function dot(a: Float32Array = new Float32Array(), b: Float32Array): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}
