#include "diffusion/float32_math.h"

#include <ATen/ATen.h>

namespace latentray {

namespace {

at::Tensor scalar(float x) { return at::scalar_tensor(x, at::kFloat); }

}  // namespace

float torch_log(float x) { return at::log(scalar(x)).item<float>(); }
float torch_exp(float x) { return at::exp(scalar(x)).item<float>(); }
float torch_expm1(float x) { return at::expm1(scalar(x)).item<float>(); }

}  // namespace latentray
