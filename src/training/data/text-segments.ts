import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { digestOfParts, folderOfDigest } from '../../disk-cache.js';
import { writeJson } from '../../models/save-model.js';

/**
 * Texts that were encoded together. A cache is one of them, and another for each time that new texts came: what is
 * there stays as it is.
 */
export interface TextSegment {
  /** Of the encoder and the texts. */
  readonly digest: string;
  /** The texts' digests, row by row. */
  readonly keys: readonly string[];
  readonly shardSize: number;
}

const segmentFile = z.object({
  modelDigest: z.string(),
  shardSize: z.int().min(1),
  texts: z.array(z.string()),
});

const fileName = 'texts.json';

/** What stands for a text on disk. */
export function keyOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

export function segmentOf(
  modelDigest: string,
  keys: readonly string[],
  shardSize: number,
): TextSegment {
  return { digest: digestOfParts('text states', modelDigest, ...keys), keys, shardSize };
}

/** Those of an encoder that were finished. */
export async function readSegments(folder: string, modelDigest: string): Promise<TextSegment[]> {
  const names = await readdir(folder).catch(() => []);
  const found: TextSegment[] = [];
  for (const name of names.sort()) {
    const text = await readFile(join(folder, name, fileName), 'utf8').catch(() => '');
    const { success, data } = segmentFile.safeParse(parsed(text));
    if (success && data.modelDigest === modelDigest)
      found.push(segmentOf(modelDigest, data.texts, data.shardSize));
  }
  return found;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // what was not finished counts as not there
  }
}

/** After its shards: a segment without the list of its texts is one that was not finished. */
export async function writeSegment(
  folder: string,
  modelDigest: string,
  { digest, keys, shardSize }: TextSegment,
): Promise<void> {
  const path = join(folder, folderOfDigest(digest), fileName);
  await writeJson(path, { modelDigest, shardSize, texts: keys });
}
