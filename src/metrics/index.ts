/** Measures of images: `metrics.psnr(a, b)` … */
export {
  type ImageBatch,
  msSsim,
  psnr,
  rmse,
  type SimilarityOptions,
  ssim,
} from './image-similarity.js';
