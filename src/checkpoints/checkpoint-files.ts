import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LatentrayError } from '../errors.js';
import { exists, isFile } from '../models/json-files.js';
import { findWeightFiles } from '../models/weight-files.js';

/** The weight files of one model, or of one part of a pipeline. */
export interface CheckpointPart {
  /** The part's folder in the diffusers layout; '' for a file, or a model of its own. */
  readonly part: string;
  readonly files: readonly string[];
}

/** Whether a folder holds a pipeline in the diffusers layout. */
export function isPipelineFolder(path: string): Promise<boolean> {
  return exists(join(path, 'model_index.json'));
}

/** The weight files of a file, a model's folder or a pipeline's folder. */
export async function checkpointParts(path: string, variant?: string): Promise<CheckpointPart[]> {
  if (await isFile(path)) return [{ part: '', files: [path] }];
  if (!(await isPipelineFolder(path))) {
    return [{ part: '', files: await findWeightFiles(path, variant) }];
  }
  const parts = await Promise.all(
    (await subfolders(path)).map(async (part) => ({
      part,
      files: await findWeightFiles(join(path, part), variant).catch(nothingThere),
    })),
  );
  return parts.filter(({ files }) => files.length > 0);
}

async function subfolders(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/** Schedulers and tokenizers have no weights. */
function nothingThere(error: unknown): string[] {
  if (LatentrayError.isInstance(error) && error.code === 'ERR_MODEL_NOT_FOUND') return [];
  throw error;
}
