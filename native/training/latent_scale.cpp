#include "training/latent_scale.h"

#include <ATen/ATen.h>

namespace latentray {

LatentSums latent_sums(const LatentDistribution& distribution) {
  const auto mean = distribution.mean.to(at::kDouble);
  auto squares = mean.square();
  if (distribution.logvar) squares = squares + distribution.logvar->to(at::kDouble).exp();
  return {static_cast<double>(mean.numel()), mean.sum().item<double>(),
          squares.sum().item<double>()};
}

}  // namespace latentray
