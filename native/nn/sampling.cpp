#include "nn/sampling.h"

#include <ATen/ATen.h>

namespace latentray::nn {

Upsample2DImpl::Upsample2DImpl(int64_t channels)
    : conv_(register_module("conv", Conv2d(channels, channels, 3, 1, 1))) {}

Tensor Upsample2DImpl::forward(const Tensor& x, const std::optional<ImageSize>& size) {
  const auto target = size.value_or(ImageSize{2 * x.size(2), 2 * x.size(3)});
  return conv_(at::upsample_nearest2d(x, target));  // [N, C, 2H, 2W]
}

Downsample2DImpl::Downsample2DImpl(int64_t channels, int64_t padding)
    : pad_after_(padding == 0),
      conv_(register_module("conv", Conv2d(channels, channels, 3, 2, padding))) {}

Tensor Downsample2DImpl::forward(const Tensor& x) {
  if (!pad_after_) return conv_(x);                    // [N, C, ⌈H/2⌉, ⌈W/2⌉]
  return conv_(at::constant_pad_nd(x, {0, 1, 0, 1}));  // [N, C, ⌊H/2⌋, ⌊W/2⌋]
}

}  // namespace latentray::nn
