import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Command } from 'commander';
import {
  type DType,
  LatentrayError,
  type Pooling,
  saveTensors,
  Tensor,
  type TextBatch,
  TextEncoder,
} from '../index.js';
import { integer, interruptSignal, positiveInteger } from './options.js';
import { readTexts } from './text-source.js';

interface EmbedFlags {
  model: string;
  texts: string;
  column?: string;
  pooling: Pooling;
  layer?: number;
  maxLength?: number;
  batch: number;
  normalize?: boolean;
  device?: string;
  dtype?: DType;
  out: string;
}

/** `latentray embed`: texts to vectors, a line or a row a text. */
export function registerEmbedCommand(program: Command): void {
  program
    .command('embed')
    .description('turn texts into vectors with a text encoder')
    .requiredOption('-m, --model <folder>', 'a text encoder: CLIP, BERT, RoBERTa or CXR-BERT')
    .option('-t, --texts <file>', 'a text a line, or a .csv or .tsv file; - is stdin', '-')
    .option('--column <name>', 'the column of a .csv or .tsv file with the texts')
    .option('-p, --pooling <kind>', 'mean, cls, eot, pooler or projection', 'mean')
    .option(
      '--layer <n>',
      'a hidden state: 0 the embeddings, -1 the last (default: the last)',
      integer,
    )
    .option('--max-length <n>', "tokens a text (default: the model's)", positiveInteger)
    .option('--batch <n>', 'most texts at a time', positiveInteger, 32)
    .option('--normalize', 'scale each vector to length 1')
    .option('--device <name>', 'cpu, cuda or cuda:N')
    .option('--dtype <name>', 'float32, bfloat16 or float16')
    .option('-o, --out <file>', 'a .jsonl or .safetensors file; - is JSON lines on stdout', '-')
    .action(embed);
}

async function embed(flags: EmbedFlags): Promise<void> {
  const signal = interruptSignal();
  const { device, dtype, pooling, layer, maxLength, batch: batchSize, normalize } = flags;
  if ((pooling as string) === 'none') {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      "--pooling: expected one that gives vectors, received 'none'",
    );
  }
  const sink = await openSink(flags);
  const encoder = await TextEncoder.load(flags.model, { device, dtype, signal });
  const batches = encoder.encodeStream(readTexts(flags.texts, flags.column), {
    pooling,
    layer,
    maxLength,
    batchSize,
    normalize,
    signal,
  });
  const startedAt = performance.now();
  let count = 0;
  const cut: number[] = [];
  for await (const batch of batches) {
    await sink.write(batch);
    count += batch.texts.length;
    batch.droppedTexts.forEach((dropped, row) => {
      if (dropped !== '') cut.push(batch.start + row + 1);
    });
    report(count, startedAt);
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  await sink.end(signal);
  if (cut.length > 0) process.stderr.write(`${cutMessage(cut, count)}\n`);
}

function report(count: number, startedAt: number): void {
  if (!process.stderr.isTTY) return;
  const rate = count / ((performance.now() - startedAt) / 1000);
  process.stderr.write(`\r\x1b[K${count} texts, ${rate.toFixed(1)} a second`);
}

/** Which texts were cut; their words stay out of logs. */
function cutMessage(cut: readonly number[], count: number): string {
  const shown = cut.slice(0, 10).join(', ') + (cut.length > 10 ? ' …' : '');
  return `Too long, cut: ${cut.length} of ${count} texts (${shown}, counted from 1)`;
}

interface Sink {
  write(batch: TextBatch): Promise<void>;
  end(signal: AbortSignal): Promise<void>;
}

async function openSink(flags: EmbedFlags): Promise<Sink> {
  const { out } = flags;
  const type = out === '-' ? '.jsonl' : extname(out).toLowerCase();
  if (type !== '.jsonl' && type !== '.safetensors') {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `--out: expected a .jsonl or .safetensors file, received ${out}`,
    );
  }
  if (out !== '-') await mkdir(dirname(out), { recursive: true }); // before the work, as a wrong folder loses it
  if (type === '.safetensors') return safetensorsSink(flags);
  return out === '-' ? linesSink(process.stdout) : fileSink(out);
}

function fileSink(path: string): Sink {
  const stream = createWriteStream(path);
  const sink = linesSink(stream);
  return {
    write: sink.write,
    async end() {
      stream.end();
      await finished(stream);
    },
  };
}

/** {"index": 0, "truncated": false, "embedding": […]} a line; the texts themselves are not repeated. */
function linesSink(stream: Writable): Sink {
  stream.on('error', () => {}); // the write that failed says so
  return {
    async write({ start, pooled, droppedTexts }) {
      const vectors = await (pooled as Tensor).to({ dtype: 'float32' });
      const [count = 0, width = 0] = vectors.shape;
      const data = vectors.data() as Float32Array;
      const lines = Array.from({ length: count }, (_, row) =>
        JSON.stringify({
          index: start + row,
          truncated: droppedTexts[row] !== '',
          embedding: [...data.subarray(row * width, (row + 1) * width)],
        }),
      );
      await new Promise<void>((resolve, reject) => {
        stream.write(`${lines.join('\n')}\n`, (error) => (error ? reject(error) : resolve()));
      });
    },
    async end() {},
  };
}

/** `embeddings` [N, D] and `truncated` [N]. */
function safetensorsSink({ out, model, pooling, normalize = false }: EmbedFlags): Sink {
  const vectors: Tensor[] = [];
  const truncated: number[] = [];
  return {
    async write({ pooled, droppedTexts }) {
      vectors.push(pooled as Tensor);
      truncated.push(...droppedTexts.map((dropped) => (dropped === '' ? 0 : 1)));
    },
    async end(signal) {
      if (vectors.length === 0)
        throw new LatentrayError('ERR_INVALID_ARG', '--texts: expected at least one text');
      const tensors = {
        embeddings: await Tensor.cat(vectors, 0, { signal }),
        truncated: Tensor.from(Uint8Array.from(truncated), { dtype: 'bool' }),
      };
      const metadata = { model, pooling, normalize: String(normalize) };
      await saveTensors(out, tensors, { metadata, signal });
    },
  };
}
