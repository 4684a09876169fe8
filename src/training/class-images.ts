import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Image } from '../image/image.js';
import { makeFolder } from '../models/save-model.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { writeFileAtomically } from './atomic-files.js';
import { openTrainingData, type TrainingData } from './data/training-data.js';
import type { RunContext } from './engine.js';

/** @internal What the model shows of a class before it learns. */
export interface ClassImages {
  readonly prompt: string;
  readonly data: TrainingData;
}

/**
 * @internal Makes the images of prior preservation by the model itself, those that are missing only. Ruiz et al.,
 * "DreamBooth: Fine Tuning Text-to-Image Diffusion Models for Subject-Driven Generation" (2023).
 */
export async function openClassImages(
  pipeline: Pipeline,
  run: RunContext,
): Promise<ClassImages | undefined> {
  const { priorPreservation: prior, resolution } = run.options;
  if (!prior) return undefined;
  const folder = join(run.folder, 'class-images');
  if (!run.group || run.group.rank === 0) await makeImages(pipeline, folder, run);
  await run.group?.barrier();
  const data = await openTrainingData(folder, { resolution });
  return { prompt: prior.prompt, data };
}

async function makeImages(pipeline: Pipeline, folder: string, run: RunContext): Promise<void> {
  const { priorPreservation: prior, resolution, seed } = run.options;
  if (!prior) return;
  await makeFolder(folder);
  const names = Array.from({ length: prior.images }, (_, n) => `${String(n).padStart(6, '0')}.png`);
  for (const [n, name] of names.entries()) {
    run.onProgress({ phase: 'class-images', done: n, total: names.length });
    const path = join(folder, name);
    if (await isImage(path)) continue;
    const { images } = await pipeline.generate({
      prompt: prior.prompt,
      steps: prior.steps,
      guidanceScale: prior.guidanceScale,
      width: resolution,
      height: resolution,
      seed: classSeed(seed, n),
      signal: run.signal,
    });
    await (images[0] as Image).save(path);
  }
  const lines = names.map((name) => JSON.stringify({ file_name: name, text: prior.prompt }));
  await writeFileAtomically(join(folder, 'metadata.jsonl'), `${lines.join('\n')}\n`);
}

/** Images are renamed into place, so one that is there is whole; a damaged disk is another matter. */
async function isImage(path: string): Promise<boolean> {
  try {
    await Image.read(await readFile(path));
    return true;
  } catch {
    return false;
  }
}

function classSeed(seed: number, n: number): bigint {
  return createHash('sha256').update(`${seed}:class-image:${n}`).digest().readBigUInt64BE();
}
