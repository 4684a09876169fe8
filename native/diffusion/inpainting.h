// What inpainting makes of a mask: white (from 0.5 on) is painted anew, black stays. Checked
// against diffusers' pipelines/stable_diffusion/pipeline_stable_diffusion_inpaint.py.
#pragma once

#include <ATen/core/Tensor.h>

namespace latentray {

struct InpaintingMask {
  at::Tensor pixels;         // [N, 1, H, W] of 0 and 1
  at::Tensor latents;        // [N, 1, H / downscale, W / downscale] of 0 and 1
  at::Tensor masked_pixels;  // [N, C, H, W]: the image with 0 (mid-grey) where it is painted anew
};

// pixels [N, C, H, W] in [-1, 1], mask [N or 1, 1, H, W] in [0, 1]. ERR_SHAPE; ERR_NON_FINITE for
// NaN.
InpaintingMask prepare_mask(const at::Tensor& pixels, const at::Tensor& mask, int64_t downscale);

}  // namespace latentray
