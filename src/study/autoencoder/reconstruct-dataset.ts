import { createHash } from 'node:crypto';
import {
  type Autoencoder,
  type Dataset,
  type DatasetImage,
  invalidArgument,
  reconstruct,
} from '../../index.js';
import type { MeasuringNetworks } from '../image-sets.js';
import { Examples } from './examples.js';
import { NetworkView } from './network-view.js';
import type { CheckedAutoencoderStudy } from './options.js';
import type { Pair } from './pair.js';
import type { DatasetReconstruction } from './results.js';
import { Similarities } from './similarities.js';
import { SpectrumMeans } from './spectra.js';

/** What is measured of a data set, and what of it is shown. */
export interface ReconstructedDataset {
  readonly result: DatasetReconstruction;
  readonly examples: Examples;
}

/** Draws frontal radiographs, reconstructs them batch by batch, and measures what comes out. */
export async function reconstructDataset(
  name: string,
  dataset: Dataset,
  vae: Autoencoder,
  networks: MeasuringNetworks,
  options: CheckedAutoencoderStudy,
): Promise<ReconstructedDataset> {
  const { images, size, fit, seed, batchSize, unmentioned, signal, onProgress } = options;
  const similarities = new Similarities();
  const spectra = new SpectrumMeans();
  const view = new NetworkView(networks, seed);
  const examples = new Examples(options.examples);
  const [digest, patients] = [createHash('sha256'), new Set<string>()];
  const drawn = dataset.filter({ view: 'frontal' }).sample(images, { seed });
  for await (const batch of batchesOf(drawn.images({ size, fit, signal }), batchSize)) {
    onProgress?.({ stage: name, done: similarities.images.length, total: images });
    const pairs = await reconstructed(vae, batch, signal);
    const figures = await similarities.add(pairs, signal);
    await spectra.add(pairs, signal);
    await view.add(pairs, signal);
    examples.add(pairs, figures);
    for (const { record } of pairs) {
      digest.update(record.id);
      patients.add(record.patient);
    }
  }
  const { length } = similarities.images;
  if (length < 2) throw invalidArgument(`datasets.${name}`, 'at least two frontal images', length);
  const result = {
    name,
    images: length,
    patients: patients.size,
    digest: `sha256:${digest.digest('hex')}`,
    similarity: similarities.summary(),
    spectra: spectra.means(),
    networks: await view.findings(unmentioned, signal),
    perImage: similarities.images,
  };
  return { result, examples };
}

async function reconstructed(
  vae: Autoencoder,
  batch: readonly DatasetImage[],
  signal: AbortSignal | undefined,
): Promise<Pair[]> {
  const originals = batch.map(({ image }) => image);
  const restored = await reconstruct(vae, originals, { signal });
  return batch.flatMap(({ record, image }, index) => {
    const result = restored[index];
    return result ? [{ record, original: image, restored: result }] : [];
  });
}

async function* batchesOf<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
