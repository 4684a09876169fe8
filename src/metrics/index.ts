/** Measures of images: `metrics.psnr(a, b)` … */
export {
  type ImageBatch,
  msSsim,
  psnr,
  rmse,
  type SimilarityOptions,
  type SsimBorder,
  type SsimOptions,
  ssim,
} from './image-similarity.js';
