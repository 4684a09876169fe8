#include "models/feature_network.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace latentray {

void FeatureNetwork::check_pixels(const at::Tensor& pixels) {
  LATENTRAY_CHECK(
      pixels.dim() == 4 && (pixels.size(1) == 1 || pixels.size(1) == 3) && pixels.numel() > 0,
      "ERR_SHAPE", "pixels: expected [N, 1 or 3, H, W], found ", pixels.sizes());
  LATENTRAY_CHECK(pixels.is_floating_point(), "ERR_DTYPE",
                  "pixels: expected floating point in [0, 1], found ", pixels.scalar_type());
}

}  // namespace latentray
