import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadTensors, type Tensor } from '../../src/index.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** The reference cases: LATENTRAY_GOLDEN, or shared/golden beside the project. Undefined when absent. */
export const golden = firstExisting(process.env.LATENTRAY_GOLDEN, join(root, '../shared/golden'));

/** The real data: LATENTRAY_DATA, or shared/data beside the project. Undefined when absent. */
export const sharedData = firstExisting(process.env.LATENTRAY_DATA, join(root, '../shared/data'));

/** A `skip` option for tap: false, or why. */
export const withoutGolden = golden ? false : 'the shared reference cases are not here';
export const withoutData = sharedData ? false : 'the shared data are not here';

export interface Case {
  tensors: Record<string, Tensor>;
  metadata: Record<string, string>;
}

/** One case: its tensors, and its settings (JSON strings where they are not plain). */
export async function goldenCase(path: string): Promise<Case> {
  return loadTensors(goldenPath(path));
}

export function goldenPath(path: string): string {
  return join(golden ?? '', path);
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

export function readJson(path: string) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function firstExisting(...candidates: (string | undefined)[]): string | undefined {
  return candidates.find((path) => path !== undefined && existsSync(path));
}
