import { Autoencoder, modelDigest } from '../../index.js';
import { MeasuringNetworks } from '../image-sets.js';
import { checkedOptions } from '../options.js';
import { environmentFacts, makeOutput, writeStudy } from '../output.js';
import {
  type AutoencoderStudyOptions,
  autoencoderStudyOptions,
  type CheckedAutoencoderStudy,
} from './options.js';
import { type ReconstructedDataset, reconstructDataset } from './reconstruct-dataset.js';
import { autoencoderReport } from './report.js';
import type { AutoencoderStudy } from './results.js';

/**
 * What an autoencoder does to radiographs: RMSE, PSNR, SSIM, MS-SSIM, spectra, the worst images; with a classifier or
 * extractors, Fréchet distances and what the classifier still sees. Writes results.json and report.html.
 *
 * @throws `ERR_INVALID_ARG` for a data set of fewer than two frontal images, `ERR_SHAPE` for a size that the
 * autoencoder does not take, `ERR_WRITE`, and what loading throws.
 */
export async function autoencoder(options: AutoencoderStudyOptions): Promise<AutoencoderStudy> {
  const given = checkedOptions(autoencoderStudyOptions, options, 'study.autoencoder');
  await makeOutput(given.output);
  if (typeof given.autoencoder !== 'string') return studyAutoencoder(given.autoencoder, given);
  const { device, signal } = given;
  const loaded = await Autoencoder.load(given.autoencoder, { device, signal });
  try {
    return await studyAutoencoder(loaded, given);
  } finally {
    loaded.dispose();
  }
}

async function studyAutoencoder(
  vae: Autoencoder,
  options: CheckedAutoencoderStudy,
): Promise<AutoencoderStudy> {
  const { device, signal } = options;
  using networks = await MeasuringNetworks.open(options, device, signal);
  const sets: ReconstructedDataset[] = [];
  for (const [name, dataset] of Object.entries(options.datasets)) {
    sets.push(await reconstructDataset(name, dataset, vae, networks, options));
  }
  const isNew = vae.weightFiles.length === 0;
  const digest = isNew ? null : await modelDigest(vae);
  const { images, size, fit, seed, batchSize, examples, unmentioned } = options;
  const study = {
    study: 'autoencoder' as const,
    configuration: {
      autoencoder: { config: vae.config, digest, dtype: vae.dtype, device: vae.device },
      ...{ images, size, fit, seed, batchSize, examples, unmentioned },
      datasets: sets.map(({ result }) => ({ name: result.name, digest: result.digest })),
      ...(await networks.facts()),
      ...environmentFacts(),
    },
    randomWeights: options.randomWeights ?? isNew,
    digest,
    datasets: sets.map(({ result }) => result),
  };
  return {
    ...study,
    files: await writeStudy(options.output, study, autoencoderReport(study, sets)),
  };
}
