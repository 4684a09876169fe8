/** Measures of images, of sets of images and of classifiers: `metrics.psnr(a, b)` … */
export {
  type Calibration,
  type CalibrationBin,
  type CalibrationOptions,
  calibration,
} from './calibration.js';
export { type ClipScore, clipScore } from './clip-score.js';
export { type Diversity, diversity } from './diversity.js';
export { type FrechetDistance, frechetDistance } from './frechet-distance.js';
export type { ImageBatch } from './image-batch.js';
export {
  msSsim,
  psnr,
  rmse,
  type SimilarityOptions,
  type SsimBorder,
  type SsimOptions,
  ssim,
} from './image-similarity.js';
export {
  type KernelDistance,
  type KernelDistanceOptions,
  kernelDistance,
} from './kernel-distance.js';
export type { RowLabels, RowScores } from './labelled-scores.js';
export { type LinearProbeInputs, type LinearProbeOptions, linearProbe } from './linear-probe.js';
export { powerSpectrum } from './power-spectrum.js';
export {
  type Neighbours,
  nearestNeighbours,
  type PrecisionRecall,
  type PrecisionRecallOptions,
  precisionRecall,
} from './precision-recall.js';
export {
  type PrincipalComponents,
  type PrincipalComponentsOptions,
  principalComponents,
} from './principal-components.js';
export {
  auroc,
  aurocDifference,
  averagePrecision,
  averagePrecisionDifference,
  type BootstrapOptions,
  type RankingEstimate,
  type RankingOptions,
} from './ranking.js';
