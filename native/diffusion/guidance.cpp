#include "diffusion/guidance.h"

#include <ATen/ATen.h>

namespace latentray {

namespace {

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

}  // namespace latentray
