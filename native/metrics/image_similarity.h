// How alike two images are: RMSE, PSNR, SSIM and MS-SSIM.
// Image Quality Assessment: From Error Visibility to Structural Similarity, Wang et al. 2004.
// Multi-Scale Structural Similarity for Image Quality Assessment, Wang et al. 2003.
// Checked against scikit-image's structural_similarity and torchmetrics' functional/image/ssim.py.
//
// Every function takes two batches [N, C, H, W] of floating point and gives float64 [N] on the CPU,
// one figure an image, averaged over the channels. ERR_SHAPE, ERR_DTYPE, ERR_NON_FINITE.
#pragma once

#include <ATen/core/Tensor.h>

namespace latentray {

// What SSIM does where its window (Gaussian, σ 1.5, 11×11) overhangs the image. The literature's
// figures differ by it, in the second decimal.
enum class SsimBorder {
  // Only windows that lie inside: Wang's definition, scikit-image's (gaussian_weights=True,
  // use_sample_covariance=False) and pytorch_msssim's. Computed in float64.
  kCropped,
  // The image is mirrored at its border: torchmetrics' definition. Computed in the images' own
  // dtype, float32
  // at least, as torchmetrics does: in float32 rounding reaches the fifth decimal of small scales,
  // so that
  // published figures are met only in the same arithmetic.
  kReflected,
};

at::Tensor rmse(const at::Tensor& a, const at::Tensor& b);

// In dB; infinite for equal images. `data_range` is the distance of white from black.
at::Tensor psnr(const at::Tensor& a, const at::Tensor& b, double data_range = 1);

// Images must hold the window: 11×11.
at::Tensor ssim(const at::Tensor& a, const at::Tensor& b, double data_range = 1,
                SsimBorder border = SsimBorder::kCropped);

// Five scales, each half of the one before; the smallest must hold the window: 161 pixels a side,
// 176 when reflected. Negative contrasts count as 0.
at::Tensor ms_ssim(const at::Tensor& a, const at::Tensor& b, double data_range = 1,
                   SsimBorder border = SsimBorder::kReflected);

}  // namespace latentray
