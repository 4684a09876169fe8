// Finds the texts that are nearest to a question by their embeddings: reports of similar cases, for instance.
//
//   node examples/retrieve.ts <text encoder folder> <file with a text a line> "<question>" [how many]
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { cosineSimilarity, Tensor, TextEncoder } from 'latentray';

const [model, file, question, count = '5'] = process.argv.slice(2);
if (!model || !file || !question) {
  throw new Error('usage: retrieve.ts <text encoder folder> <texts> <question> [how many]');
}

const encoder = await TextEncoder.load(model);
const options = { pooling: 'mean', normalize: true } as const;

// The index: a row a text. Kept in a file (saveTensors), it need not be computed again.
const texts: string[] = [];
const rows: Tensor[] = [];
const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity });
for await (const batch of encoder.encodeStream(lines, options)) {
  texts.push(...batch.texts);
  if (batch.pooled) rows.push(batch.pooled);
  console.error(`${texts.length} texts`);
}
if (rows.length === 0) throw new Error(`${file}: no texts`);
const index = await Tensor.cat(rows); // [texts, D]

const { pooled } = await encoder.encode([question], options); // [1, D]
encoder.dispose();
if (!pooled) throw new Error('no vector');
const cosines = (await cosineSimilarity(pooled, index)).data() as Float32Array; // [1, texts]
const nearest = texts
  .map((text, at) => ({ text, cosine: cosines[at] ?? 0 }))
  .sort((a, b) => b.cosine - a.cosine)
  .slice(0, Number(count));
for (const { text, cosine } of nearest) console.log(`${cosine.toFixed(3)}  ${text}`);
