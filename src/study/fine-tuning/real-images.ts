import { createHash } from 'node:crypto';
import { type Dataset, type DatasetRecord, type Image, invalidArgument } from '../../index.js';
import { MeasuredSet, type MeasuringNetworks } from '../image-sets.js';
import type { CheckedFineTuningStudy } from './options.js';
import { thumbnails } from './thumbnails.js';

/** Real radiographs: of all of them thumbnails, of those that are kept the pixels. */
export interface RealImages {
  readonly records: readonly DatasetRecord[];
  readonly kept: readonly Image[];
  /** [N, 1024] */
  readonly thumbnails: Awaited<ReturnType<typeof thumbnails>>;
  readonly digest: string;
  readonly measured: MeasuredSet;
}

/** Draws frontal radiographs and brings them to the size that is generated. */
export async function realImages(
  name: string,
  dataset: Dataset,
  keep: number,
  size: number,
  networks: MeasuringNetworks,
  { signal, images: count, seed }: CheckedFineTuningStudy,
): Promise<RealImages> {
  const records: DatasetRecord[] = [];
  const images: Image[] = [];
  const digest = createHash('sha256');
  const drawn = frontal(dataset, count, seed).images({ size, fit: 'letterbox', signal });
  for await (const { record, image } of drawn) {
    records.push(record);
    images.push(image);
    digest.update(record.id);
  }
  if (records.length < 2) {
    throw invalidArgument(name, 'at least two frontal images', records.length);
  }
  const measured = new MeasuredSet(networks);
  await measured.add(images, signal);
  return {
    records,
    measured,
    kept: images.slice(0, keep),
    thumbnails: await thumbnails(images, signal),
    digest: `sha256:${digest.digest('hex')}`,
  };
}

/** What is drawn of a data set, the same for training and for measuring. */
export function frontal(dataset: Dataset, count: number, seed: number): Dataset {
  return dataset.filter({ view: 'frontal' }).sample(count, { seed });
}
