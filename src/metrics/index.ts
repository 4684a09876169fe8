/** Measures of images: `metrics.psnr(a, b)` … */
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
export { type LinearProbeInputs, type LinearProbeOptions, linearProbe } from './linear-probe.js';
export { powerSpectrum } from './power-spectrum.js';
export {
  type PrincipalComponents,
  type PrincipalComponentsOptions,
  principalComponents,
} from './principal-components.js';
