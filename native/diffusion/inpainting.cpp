#include "diffusion/inpainting.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace latentray {

namespace {

constexpr double kThreshold = 0.5;

}  // namespace

InpaintingMask prepare_mask(const at::Tensor& pixels, const at::Tensor& mask, int64_t downscale) {
  LATENTRAY_CHECK(pixels.dim() == 4, "ERR_SHAPE", "pixels: expected shape [N, C, H, W], received ",
                  pixels.sizes());
  const int64_t batch = pixels.size(0);
  const std::vector<int64_t> expected{batch, 1, pixels.size(2), pixels.size(3)};
  const bool fits = mask.dim() == 4 && (mask.size(0) == batch || mask.size(0) == 1) &&
                    mask.sizes().slice(1) == at::IntArrayRef(expected).slice(1);
  LATENTRAY_CHECK(fits, "ERR_SHAPE", "mask: expected ", at::IntArrayRef(expected),
                  ", as the image, received ", mask.sizes());
  LATENTRAY_CHECK(mask.isfinite().all().item<bool>(), "ERR_NON_FINITE",
                  "mask: expected numbers from 0 to 1, found NaN or infinity");
  InpaintingMask result;
  result.pixels = mask.ge(kThreshold).to(pixels.options()).expand(expected).contiguous();
  result.latents = at::upsample_nearest2d(
      result.pixels, {pixels.size(2) / downscale, pixels.size(3) / downscale});  // [N, 1, h, w]
  result.masked_pixels = pixels * (1 - result.pixels);
  return result;
}

}  // namespace latentray
