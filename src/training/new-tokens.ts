import { join } from 'node:path';
import { invalidArgument, LatentrayError } from '../errors.js';
import { makeFolder } from '../models/save-model.js';
import type { TextEncoder } from '../models/text-encoder.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { Tensor } from '../tensor.js';
import { loadTensors, saveTensors } from '../tensor-files.js';
import type { RunContext } from './engine.js';

/**
 * @internal Gives the text encoder the tokens that are to be learned, each beginning as its initializer's
 * embedding.
 *
 * @returns Their ids, by token.
 */
export async function addNewTokens(
  { textEncoder }: Pipeline,
  { options, folder, signal }: RunContext,
): Promise<Record<string, number[]>> {
  const ids: Record<string, number[]> = {};
  for (const [n, [token, { initializer, vectors }]] of Object.entries(
    options.tokens ?? {},
  ).entries()) {
    const row = await embeddingOf(textEncoder, initializer);
    const rows = await Tensor.cat(new Array<Tensor>(vectors).fill(row));
    const path = join(folder, 'tokens', `${n}.safetensors`);
    await makeFolder(join(folder, 'tokens'));
    await saveTensors(path, { [token]: rows }, { ...(signal && { signal }) });
    await textEncoder.loadTextualInversion(path, { token, signal });
    ids[token] = namesOf(token, vectors).map(
      (name) => textEncoder.tokenizer.tokenToId(name) as number,
    );
  }
  return ids;
}

/** @internal Writes what was learned, a file a token, as diffusers does: [D] for one vector, [K, D] for several. */
export async function saveTokens(
  folder: string,
  learned: Readonly<Record<string, Tensor>>,
): Promise<void> {
  const entries = Object.entries(learned);
  for (const [n, [token, rows]] of entries.entries()) {
    const name = entries.length === 1 ? 'learned_embeds' : `learned_embeds-${n}`;
    const [vectors, width = 0] = rows.shape;
    const tensor = vectors === 1 ? await rows.reshape([width]) : rows;
    await saveTensors(join(folder, `${name}.safetensors`), { [token]: tensor });
  }
}

function namesOf(token: string, vectors: number): string[] {
  return Array.from({ length: vectors }, (_, n) => (n === 0 ? token : `${token}_${n}`));
}

/** [1, D] float32: the row of a word that is one token. */
async function embeddingOf(textEncoder: TextEncoder, word: string): Promise<Tensor> {
  const { tokenizer } = textEncoder;
  const { inputIds } = tokenizer.encode(word);
  const empty = new Set(tokenizer.encode('').inputIds);
  const [id, ...others] = inputIds.filter((each) => !empty.has(each));
  if (id === undefined || others.length > 0) {
    throw invalidArgument('initializer', 'a word of one token', word);
  }
  const { tensors } = await loadTensors([...textEncoder.weightFiles], { dtype: 'float32' });
  const table = Object.entries(tensors).find(([name]) =>
    /(token|word)_embeddings?\.weight$/.test(name),
  );
  if (!table) {
    throw new LatentrayError(
      'ERR_WEIGHTS_MISSING_KEY',
      `${textEncoder.weightFiles[0]}: expected a table of token embeddings`,
    );
  }
  return table[1].slice(0, id, id + 1);
}
