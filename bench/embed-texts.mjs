// Report-length texts through a text encoder of BERT-base's size (random weights, float32) to mean vectors,
// tokenising included, beside transformers in eager PyTorch and onnxruntime-node, alternately in one run.
// PYTHON names a Python with torch and transformers. The ONNX session needs the package onnxruntime-node and
// a file of the same model: --onnx names it, or PYTHON writes it where it has the package onnx.
//
//   node bench/embed-texts.mjs [--texts 1000] [--rounds 3] [--batch 32] [--threads <n>] [--onnx <file>]
//                              [--folder <where the 440 MB of weights go>]
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { getThreads, saveTensors, setThreads, Tensor, TextEncoder } from 'latentray';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    texts: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
    batch: { type: 'string', default: '32' },
    threads: { type: 'string' },
    onnx: { type: 'string' },
    folder: { type: 'string', default: join(tmpdir(), 'latentray-bert-base-random') },
  },
});
const batchSize = Number(values.batch);
if (values.threads) setThreads(Number(values.threads));
const threads = getThreads();

await makeModel(values.folder);
const texts = makeTexts(Number(values.texts));
const textsFile = join(values.folder, 'texts.json');
writeFileSync(textsFile, JSON.stringify(texts));
const encoder = await TextEncoder.load(values.folder);
const tokens = texts.reduce((sum, text) => sum + encoder.tokenizer.encode(text).inputIds.length, 0);

const candidates = { latentray: embedOurs };
const pytorch = await startPyTorch();
if (pytorch) candidates.pytorch = pytorch.embed;
const onnx = await openOnnx();
if (onnx) candidates.onnxruntime = onnx;

const seconds = Object.fromEntries(Object.keys(candidates).map((name) => [name, []]));
const vectors = {};
await embedOurs(texts.slice(0, batchSize)); // the first ones prepare
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [name, embed] of Object.entries(candidates)) {
    const startedAt = performance.now();
    vectors[name] = await embed(texts);
    seconds[name].push((performance.now() - startedAt) / 1000);
  }
}
pytorch?.end();

const rate = (list) => texts.length / Math.min(...list);
const summary = {
  texts: texts.length,
  tokensPerText: tokens / texts.length,
  batch: batchSize,
  threads,
  textsPerSecond: Object.fromEntries(Object.entries(seconds).map(([k, v]) => [k, rate(v)])),
  seconds,
};
for (const name of Object.keys(candidates).filter((each) => each !== 'latentray')) {
  summary[`speedupOver_${name}`] = rate(seconds.latentray) / rate(seconds[name]);
  summary[`difference_${name}`] = difference(vectors.latentray, vectors[name]);
}
console.log(JSON.stringify(summary));

async function embedOurs(list) {
  const rows = [];
  for await (const { pooled } of encoder.encodeStream(list, { pooling: 'mean', batchSize })) {
    rows.push(pooled.data());
  }
  return Float32Array.from(rows.flatMap((row) => [...row]));
}

/** ‖a − b‖ / ‖b‖ */
function difference(a, b) {
  const norm = (value) => Math.sqrt(value.reduce((sum, x) => sum + x * x, 0));
  return norm(a.map((x, i) => x - b[i])) / norm(b);
}

/** A BERT-base with small random weights, and a vocabulary of report words. */
async function makeModel(folder) {
  mkdirSync(folder, { recursive: true });
  const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '.', ',', ...words()];
  while (vocabulary.length < 30522) vocabulary.push(`[unused${vocabulary.length}]`);
  writeFileSync(join(folder, 'vocab.txt'), `${vocabulary.join('\n')}\n`);
  const tokenizer = {
    tokenizer_class: 'BertTokenizer',
    do_lower_case: true,
    model_max_length: 512,
  };
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(tokenizer));
  const config = {
    architectures: ['BertModel'],
    model_type: 'bert',
    hidden_size: 768,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    intermediate_size: 3072,
    vocab_size: 30522,
    max_position_embeddings: 512,
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const file = join(folder, 'model.safetensors');
  if (existsSync(file)) return;
  const tensors = {};
  for (const [seed, [name, shape]] of parameterShapes().entries()) {
    const noise = await (await Tensor.randn(shape, { seed })).mul(0.02);
    tensors[name] = name.endsWith('LayerNorm.weight') ? await noise.add(1) : noise;
  }
  await saveTensors(file, tensors, { metadata: { format: 'pt' } });
}

function parameterShapes() {
  const shapes = [
    ['embeddings.word_embeddings.weight', [30522, 768]],
    ['embeddings.position_embeddings.weight', [512, 768]],
    ['embeddings.token_type_embeddings.weight', [2, 768]],
    ...norm('embeddings.LayerNorm'),
    ...linear('pooler.dense', 768, 768),
  ];
  for (let n = 0; n < 12; n++) {
    const layer = `encoder.layer.${n}`;
    for (const part of ['query', 'key', 'value']) {
      shapes.push(...linear(`${layer}.attention.self.${part}`, 768, 768));
    }
    shapes.push(...linear(`${layer}.attention.output.dense`, 768, 768));
    shapes.push(...norm(`${layer}.attention.output.LayerNorm`));
    shapes.push(...linear(`${layer}.intermediate.dense`, 3072, 768));
    shapes.push(
      ...linear(`${layer}.output.dense`, 768, 3072),
      ...norm(`${layer}.output.LayerNorm`),
    );
  }
  return shapes;
}

function linear(name, out, into) {
  return [
    [`${name}.weight`, [out, into]],
    [`${name}.bias`, [out]],
  ];
}

function norm(name) {
  return [
    [`${name}.weight`, [768]],
    [`${name}.bias`, [768]],
  ];
}

function words() {
  return (
    'the no of is are in and with there acute right left lower upper lobe lung lungs pleural effusion ' +
    'pneumothorax consolidation focal clear heart size normal mediastinal contours unremarkable mild ' +
    'moderate cardiomegaly edema interstitial opacity atelectasis bibasilar line tube tip projects over ' +
    'carina svc stable unchanged compared prior study findings impression osseous structures intact'
  ).split(' ');
}

/** Texts of 30 to 250 tokens, as findings and impressions have them; the same in every run. */
function makeTexts(count) {
  const list = words();
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: count }, () => {
    const length = Math.round(30 + 220 * random() ** 2);
    const text = Array.from({ length }, () => list[Math.floor(random() * list.length)]);
    return `${text.join(' ')}.`;
  });
}

/** A Python process that embeds the texts for each line it reads; undefined where Python lacks the peers. */
async function startPyTorch() {
  const python = process.env.PYTHON ?? 'python3';
  const script = join(here, 'peers', 'transformers_bert.py');
  const args = [script, values.folder, textsFile, String(batchSize), String(threads)];
  const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.once('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: ready } = await lines.next();
  if (ready !== 'ready') {
    process.stderr.write(
      `${python} has no torch and transformers: nothing of them to compare with\n`,
    );
    return undefined;
  }
  return {
    async embed() {
      child.stdin.write('embed\n');
      return Float32Array.from(JSON.parse((await lines.next()).value));
    },
    end: () => child.stdin.end(),
  };
}

/** The same model in onnxruntime-node, with our tokenizer and batches of like length. */
async function openOnnx() {
  const runtime = await import('onnxruntime-node').catch(() => undefined);
  const file = values.onnx ?? join(values.folder, 'model.onnx');
  if (!runtime || !existsSync(file)) {
    const lack = runtime ? `${file} is not there` : 'the package onnxruntime-node is not there';
    process.stderr.write(`${lack}: nothing of onnxruntime to compare with\n`);
    return undefined;
  }
  const { InferenceSession, Tensor: OnnxTensor } = runtime.default ?? runtime;
  const session = await InferenceSession.create(file, { intraOpNumThreads: threads });
  return async (list) => {
    const encodings = list.map((text) => encoder.tokenizer.encode(text, { maxLength: 512 }));
    const order = list
      .map((_, index) => index)
      .sort((a, b) => encodings[b].inputIds.length - encodings[a].inputIds.length);
    const result = new Float32Array(list.length * 768);
    for (let start = 0; start < order.length; start += batchSize) {
      const rows = order.slice(start, start + batchSize);
      const length = encodings[rows[0]].inputIds.length;
      const filled = (field) =>
        BigInt64Array.from(
          rows.flatMap((row) => {
            const own = encodings[row][field];
            return [...own, ...new Array(length - own.length).fill(0)];
          }),
          BigInt,
        );
      const shape = [rows.length, length];
      const mask = filled('attentionMask');
      const feeds = {
        input_ids: new OnnxTensor('int64', filled('inputIds'), shape),
        attention_mask: new OnnxTensor('int64', mask, shape),
        token_type_ids: new OnnxTensor('int64', new BigInt64Array(mask.length), shape),
      };
      const wanted = Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]]));
      const { data } = (await session.run(wanted))[session.outputNames[0]];
      for (const [row, index] of rows.entries()) {
        const own = encodings[index].inputIds.length;
        for (let token = 0; token < own; token++) {
          const from = (row * length + token) * 768;
          for (let n = 0; n < 768; n++) result[index * 768 + n] += data[from + n] / own;
        }
      }
    }
    return result;
  };
}
