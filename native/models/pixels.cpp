#include "models/pixels.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace latentray {

at::Tensor to_unit_range(const at::Tensor& pixels) {
  // NaN would become a black image that looks like a result.
  LATENTRAY_CHECK(pixels.isfinite().all().item<bool>(), "ERR_NON_FINITE",
                  "pixels: expected finite values, found NaN or infinity. In float16 this is an "
                  "overflow: use bfloat16 or float32");
  return (pixels / 2 + 0.5).clamp(0, 1).to(at::kFloat);
}

at::Tensor to_bytes(const at::Tensor& pixels) {
  LATENTRAY_CHECK(pixels.dim() == 4, "ERR_SHAPE", "pixels: expected shape [N, C, H, W], received ",
                  pixels.sizes());
  return (to_unit_range(pixels) * 255).round().to(at::kByte).permute({0, 2, 3, 1}).contiguous();
}

at::Tensor to_grey_bytes(const at::Tensor& pixels) {
  LATENTRAY_CHECK(pixels.dim() == 4, "ERR_SHAPE", "pixels: expected shape [N, C, H, W], received ",
                  pixels.sizes());
  return to_bytes(pixels.mean(1, /*keepdim=*/true));
}

at::Tensor from_unit_range(const at::Tensor& pixels) {
  LATENTRAY_CHECK(pixels.isfinite().all().item<bool>(), "ERR_NON_FINITE",
                  "pixels: expected numbers from 0 to 1, found NaN or infinity");
  const auto [least, most] = at::aminmax(pixels);
  LATENTRAY_CHECK(least.item<double>() >= 0 && most.item<double>() <= 1, "ERR_INVALID_ARG",
                  "pixels: expected numbers from 0 to 1, found ", least.item<double>(), " to ",
                  most.item<double>());
  return pixels.to(at::kFloat) * 2 - 1;
}

at::Tensor from_bytes(const at::Tensor& bytes) {
  LATENTRAY_CHECK(bytes.dim() == 4 && bytes.scalar_type() == at::kByte, "ERR_SHAPE",
                  "bytes: expected uint8 of shape [N, H, W, C], received ", bytes.sizes());
  return (bytes.permute({0, 3, 1, 2}).to(at::kFloat) / 127.5 - 1).contiguous();
}

}  // namespace latentray
