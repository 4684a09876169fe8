// Texts as unit vectors, and how near they are to each other. Works with CLIP's text transformer and with BERTs.
//
//   node examples/embed.ts <text encoder folder> "No pleural effusion." "Left pleural effusion." …
import { cosineSimilarity, TextEncoder } from 'latentray';

const [model, ...texts] = process.argv.slice(2);
if (!model || texts.length < 2) {
  throw new Error('usage: embed.ts <text encoder folder> <text> <text …>');
}

const encoder = await TextEncoder.load(model);
const { pooled, truncated } = await encoder.encode(texts, { pooling: 'mean', normalize: true });
encoder.dispose();
if (truncated) console.error('what did not fit into the encoder was cut');
if (!pooled) throw new Error('no vectors');

const cosines = (await cosineSimilarity(pooled)).data() as Float32Array; // [texts, texts]
for (const [row, text] of texts.entries()) {
  const similarities = cosines.subarray(row * texts.length, (row + 1) * texts.length);
  console.log(`${Array.from(similarities, (value) => value.toFixed(3)).join('  ')}  ${text}`);
}
