import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile, cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadTensors, saveTensors, Tensor } from '../../src/index.js';
import { writeClipVocabulary } from './clip-vocabulary.js';

/** The reference cases in the repository. */
export const committed = join(dirname(fileURLToPath(import.meta.url)), '../golden');

const clipMerges = join(committed, 'tokenizer/clip/merges.txt.gz');

/** Weights that are not stored: scripts/make-golden.py draws the same ones. */
interface Recipe {
  readonly seed: number;
  /** Name to shape. */
  readonly parameters: Record<string, number[]>;
}

const suffix = '.recipe.json';
const made = new Map<string, Promise<string>>();
let scratch: string | undefined;

/** A folder of this process, gone when it ends. */
function scratchFolder(): string {
  if (!scratch) {
    const folder = mkdtempSync(join(tmpdir(), 'latentray-recipe-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    scratch = folder;
  }
  return scratch;
}

/** The model of test/golden/`name`, with its weights: made at the first call. */
export function recipeFolder(name: string): Promise<string> {
  const folder = made.get(name) ?? make(name);
  made.set(name, folder);
  return folder;
}

async function make(name: string): Promise<string> {
  const folder = join(scratchFolder(), name);
  await cp(join(committed, name, 'model'), folder, { recursive: true });
  for (const entry of await readdir(folder, { recursive: true })) {
    const path = join(folder, entry);
    if (entry.endsWith(suffix)) await writeWeights(path);
    if (entry === 'tokenizer') await writeClipVocabulary(clipMerges, path);
  }
  return folder;
}

async function writeWeights(path: string): Promise<void> {
  const { seed, parameters }: Recipe = JSON.parse(await readFile(path, 'utf8'));
  const names = Object.keys(parameters).sort();
  const weights: Record<string, Tensor> = {};
  for (const [n, name] of names.entries()) {
    weights[name] = await parameter(name, parameters[name] ?? [], seed + n);
  }
  await saveTensors(path.replace(suffix, '.safetensors'), weights);
}

async function parameter(name: string, shape: number[], seed: number): Promise<Tensor> {
  const noise = await Tensor.randn(shape, { seed });
  if (shape.length > 1) {
    const inputs = shape.slice(1).reduce((product, size) => product * size, 1);
    return noise.mul(0.7 / Math.sqrt(inputs));
  }
  const small = await noise.mul(0.1);
  return name.endsWith('.weight') ? small.add(1) : small;
}

/** A case of a recipe's model. */
export function committedCase(name: string, file: string) {
  return loadTensors(join(committed, name, `${file}.safetensors`));
}

/** A copy of a recipe's U-Net whose weights lie in two files with an index. */
export async function shardedUNet(name: string): Promise<string> {
  const unet = join(await recipeFolder(name), 'unet');
  const folder = mkdtempSync(join(scratchFolder(), 'sharded-'));
  await copyFile(join(unet, 'config.json'), join(folder, 'config.json'));
  const { tensors } = await loadTensors(join(unet, 'diffusion_pytorch_model.safetensors'));
  const shards: Record<string, Tensor>[] = [{}, {}];
  const index: Record<string, string> = {};
  const fileName = (shard: number) =>
    `diffusion_pytorch_model-0000${shard + 1}-of-00002.safetensors`;
  for (const [n, [key, tensor]] of Object.entries(tensors).entries()) {
    Object.assign(shards[n % 2] ?? {}, { [key]: tensor });
    index[key] = fileName(n % 2);
  }
  for (const [n, shard] of shards.entries()) await saveTensors(join(folder, fileName(n)), shard);
  await writeFile(
    join(folder, 'diffusion_pytorch_model.safetensors.index.json'),
    JSON.stringify({ weight_map: index }),
  );
  return folder;
}
