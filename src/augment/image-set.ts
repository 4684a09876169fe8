import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isFile } from '../data/files.js';
import type { Image } from '../image/image.js';
import { makeFolder } from '../models/save-model.js';
import { writeError, writeFileAtomically } from '../training/atomic-files.js';
import type { Attempt } from './attempt-log.js';
import type { Verdict } from './quality-gate.js';
import type { Block, Slot } from './slots.js';

/** @internal Makes the set's folder, and one for each label. */
export async function makeSetFolders(out: string, blocks: readonly Block[]): Promise<void> {
  await makeFolder(out);
  const folders = new Set(blocks.flat().map(({ file }) => dirname(file)));
  for (const folder of folders) {
    await mkdir(join(out, folder), { recursive: true }).catch((cause: unknown) => {
      throw writeError(join(out, folder), cause);
    });
  }
}

/** @internal The row of metadata.jsonl that an attempt would have; every row has the same names in the same order. */
export function rowOf(
  slot: Slot,
  { provenance }: Image,
  attempt: number,
  { checks }: Verdict,
  names: readonly string[],
): Record<string, unknown> {
  const { software, modelDigest, seed, settings } = provenance ?? {};
  return {
    file_name: slot.file,
    text: slot.prompt,
    labels: Object.fromEntries(names.map((name) => [name, slot.labels[name] ?? null])),
    class: slot.label,
    split: 'train',
    synthetic: true,
    software,
    model_digest: modelDigest,
    prompt: slot.prompt,
    seed: Number(seed),
    attempt,
    source_id: slot.source ?? null,
    settings,
    checks,
  };
}

/** @internal metadata.jsonl, whole: what loaders read. */
export async function writeMetadata(out: string, accepted: readonly Attempt[]): Promise<void> {
  const lines = accepted.map(({ row }) => `${JSON.stringify(row)}\n`);
  await writeFileAtomically(join(out, 'metadata.jsonl'), lines.join(''));
}

/** @internal Takes away what processes that were killed had begun. */
export async function removeUnfinished(out: string, blocks: readonly Block[]): Promise<void> {
  const folders = new Set(blocks.flat().map(({ file }) => dirname(file)));
  for (const folder of folders) {
    for (const name of await readdir(join(out, folder))) {
      if (/^\..*\.tmp$/.test(name)) await rm(join(out, folder, name), { force: true });
    }
  }
}

/** @internal */
export function hasImage(out: string, { file }: Slot): Promise<boolean> {
  return isFile(join(out, file));
}
