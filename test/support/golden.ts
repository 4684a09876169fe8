import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadTensors, type SchedulerConfig, type Tensor } from '../../src/index.js';
import { parsePythonJson } from '../../src/json.js';
import { committed, recipeFolder, shardedUNet } from './recipe.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * The whole reference set: LATENTRAY_GOLDEN, or shared/golden beside the project. `LATENTRAY_GOLDEN=none`
 * (any folder that is not there) leaves the committed cases.
 */
const shared = process.env.LATENTRAY_GOLDEN ?? join(root, '../shared/golden');

/** The real data: LATENTRAY_DATA, or shared/data beside the project. */
export const sharedData = process.env.LATENTRAY_DATA ?? join(root, '../shared/data');

/** A `skip` option for tap: false, or why. */
export const withoutGolden = existsSync(shared) ? false : 'the shared reference cases are not here';
export const withoutData = existsSync(sharedData) ? false : 'the shared data are not here';

export function goldenPath(path: string): string {
  return join(shared, path);
}

/** Folders with the same layout of cases: the committed one, which is always there, and the shared one. */
export const caseFolders: readonly { name: string; path: string; skip: false | string }[] = [
  { name: 'committed', path: committed, skip: false },
  { name: 'shared', path: shared, skip: withoutGolden },
];

/** A model with the cases that were computed with it. */
export interface ReferenceModel {
  readonly name: string;
  /** For tap: false, or why the model is not here. */
  readonly skip: false | string;
  /** The model's folder; a recipe's is made at the first call. */
  folder(): Promise<string>;
  /** The tokenizer that the cases were made with. */
  tokenizer(): Promise<string>;
  /** The U-Net in two weight files. */
  sharded(): Promise<string>;
  case(name: string): Promise<Case>;
}

function ofRecipe(name: string): ReferenceModel {
  return {
    name,
    skip: false,
    folder: () => recipeFolder(name),
    tokenizer: async () => join(await recipeFolder(name), 'tokenizer'),
    sharded: () => shardedUNet(name),
    case: (file) => loadTensors(join(committed, name, `${file}.safetensors`)),
  };
}

/**
 * tiny-sd2's own tokenizer pads with "!", as published v2 repositories do; its cases were made with
 * <|endoftext|>, which is tiny-sd1's padding.
 */
function ofShared(name: string): ReferenceModel {
  return {
    name,
    skip: withoutGolden,
    folder: async () => goldenPath(`${name}/model`),
    tokenizer: async () => goldenPath('tiny-sd1/model/tokenizer'),
    sharded: async () => goldenPath('formats/unet-sharded'),
    case: (file) => loadTensors(goldenPath(`${name}/${file}.safetensors`)),
  };
}

/** Whole pipelines of the v1 and the v2 family. */
export const pipelines = [
  ofRecipe('recipe-sd1'),
  ofRecipe('recipe-sd2'),
  ofShared('tiny-sd1'),
  ofShared('tiny-sd2'),
];

/** A case that is always here, by its path without the ending. */
export function committedCase(path: string): Promise<Case> {
  return loadTensors(join(committed, `${path}.safetensors`));
}

/** The scheduler that a case was made with. */
export function schedulerConfig({ metadata }: Case): SchedulerConfig {
  const config = parsePythonJson(metadata.config ?? '', 'case') as SchedulerConfig;
  return { ...config, _class_name: metadata.scheduler };
}

/** AutoencoderTiny. */
export const tinyAutoencoders = [ofRecipe('recipe-taesd'), ofShared('tiny-taesd')];

export interface Case {
  tensors: Record<string, Tensor>;
  metadata: Record<string, string>;
}

export function tensor(from: Case, name: string): Tensor {
  const found = from.tensors[name];
  if (!found) throw new Error(`no tensor ${name} in the case`);
  return found;
}

/** ‖actual − expected‖ / ‖expected‖, after a check of the shapes. */
export async function relativeError(actual: Tensor, expected: Tensor): Promise<number> {
  if (String(actual.shape) !== String(expected.shape)) {
    throw new Error(`shapes differ: [${actual.shape}] and [${expected.shape}]`);
  }
  const reference = await expected.to({ dtype: 'float64' });
  const difference = await (await actual.to({ dtype: 'float64' })).sub(reference);
  return (await scalar(difference.norm())) / (await scalar(reference.norm()));
}

/** The one number of a tensor. */
export async function scalar(tensor: Tensor | Promise<Tensor>): Promise<number> {
  return Number((await tensor).data()[0]);
}
