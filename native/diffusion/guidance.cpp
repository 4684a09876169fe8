#include "diffusion/guidance.h"

#include <ATen/ATen.h>

#include "nn/time_embedding.h"

namespace latentray {

namespace {

// The embedding's frequencies are those of timesteps, and scales are small.
constexpr double kTimestepsOfAUnitOfScale = 1000;

at::Tensor std_of_each(const at::Tensor& x) {
  return x.std({1, 2, 3}, true, true);
}  // [N, 1, 1, 1]

}  // namespace

at::Tensor guide(const at::Tensor& unconditional, const at::Tensor& conditional,
                 const Guidance& guidance) {
  at::Tensor guided = unconditional + guidance.scale * (conditional - unconditional);
  if (guidance.rescale <= 0) return guided;
  const at::Tensor rescaled = guided * (std_of_each(conditional) / std_of_each(guided));
  return guidance.rescale * rescaled + (1 - guidance.rescale) * guided;
}

at::Tensor guidance_embedding(double scale, int64_t dim) {
  const at::Tensor weight = at::full({1}, (scale - 1) * kTimestepsOfAUnitOfScale, at::kFloat);
  return nn::sinusoidal_embedding(weight, {dim, /*flip_sin_to_cos=*/false, /*freq_shift=*/1});
}

}  // namespace latentray
