import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { digestOf, sha256 } from '../../pipeline/input-images.js';
import { fileDigest } from '../../pipeline/model-digest.js';
import { datasetError } from './dataset-error.js';
import { Slots } from './slots.js';
import type { Picture, TrainingRecord } from './training-sample.js';

/** What tells images again: their bytes, or the sizes and times of their files, which is quicker. */
export type Fingerprint = 'content' | 'stat';

/** Files that are read at a time. */
const readsAtOnce = 4;

/**
 * SHA-256 over everything that is trained on: ids, texts, weights, images and masks, in their order.
 *
 * @throws LatentrayError `ERR_DATASET` with the place of an image that cannot be read.
 */
export async function dataDigest(
  records: readonly TrainingRecord[],
  fingerprint: Fingerprint,
  signal: AbortSignal | undefined,
): Promise<string> {
  const slots = new Slots(readsAtOnce);
  const rows = await Promise.all(
    records.map((record) =>
      slots.run(async () => {
        signal?.throwIfAborted();
        const { id, text, weight, image, mask } = record;
        const images = [await pictureDigest('image', image, record, fingerprint)];
        if (mask) images.push(await pictureDigest('mask', mask, record, fingerprint));
        return JSON.stringify([id, text, weight, ...images]);
      }),
    ),
  );
  const hash = createHash('sha256');
  for (const row of rows) hash.update(`${row}\n`);
  return `sha256:${hash.digest('hex')}`;
}

async function pictureDigest(
  name: string,
  picture: Picture,
  { id, origin }: TrainingRecord,
  fingerprint: Fingerprint,
): Promise<string> {
  if (picture instanceof Uint8Array) return sha256(picture);
  if (typeof picture !== 'string') return digestOf(picture);
  try {
    if (fingerprint === 'content') return await fileDigest(picture);
    const { size, mtimeMs } = await stat(picture);
    return `${size} ${mtimeMs}`;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`;
    throw datasetError(origin, `${name}: ${picture} ${reason}`, { id, cause });
  }
}
