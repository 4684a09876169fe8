#include "models/feature_network.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"

namespace latentray {

namespace {

constexpr std::array<double, 3> kLuma = {0.2989, 0.587, 0.114};  // ITU-R BT.601

}  // namespace

void FeatureNetwork::check_pixels(const at::Tensor& pixels) {
  LATENTRAY_CHECK(
      pixels.dim() == 4 && (pixels.size(1) == 1 || pixels.size(1) == 3) && pixels.numel() > 0,
      "ERR_SHAPE", "pixels: expected [N, 1 or 3, H, W], found ", pixels.sizes());
  LATENTRAY_CHECK(pixels.is_floating_point(), "ERR_DTYPE",
                  "pixels: expected floating point in [0, 1], found ", pixels.scalar_type());
  const auto [least, most] = at::aminmax(pixels);
  const auto low = least.item<double>();
  const auto high = most.item<double>();
  LATENTRAY_CHECK(std::isfinite(low) && std::isfinite(high), "ERR_NON_FINITE",
                  "pixels: expected numbers from 0 to 1, found NaN or infinity");
  LATENTRAY_CHECK(low >= 0 && high <= 1, "ERR_INVALID_ARG",
                  "pixels: expected numbers from 0 to 1, found ", low, " to ", high);
}

at::Tensor grey(const at::Tensor& pixels) {
  if (pixels.size(1) == 1) return pixels;
  const at::Tensor weights = at::tensor(at::ArrayRef<double>(kLuma), pixels.options());
  return (pixels * weights.view({1, 3, 1, 1})).sum(1, /*keepdim=*/true);  // [N, 1, H, W]
}

at::Tensor middle_square(const at::Tensor& x) {
  const int64_t side = std::min(x.size(2), x.size(3));
  return x.narrow(2, (x.size(2) - side) / 2, side).narrow(3, (x.size(3) - side) / 2, side);
}

}  // namespace latentray
