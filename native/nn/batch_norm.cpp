#include "nn/batch_norm.h"

#include <ATen/ATen.h>

#include "nn/placeholder.h"

namespace latentray::nn {

namespace {

constexpr double kMomentum = 0.1;

}  // namespace

BatchNorm2dImpl::BatchNorm2dImpl(int64_t channels, double eps) : eps_(eps) {
  const auto of_channels = [&](const char* name) {
    return register_parameter(name, placeholder({channels}), false);
  };
  weight = of_channels("weight");
  bias = of_channels("bias");
  running_mean = of_channels("running_mean");
  running_var = of_channels("running_var");
}

at::Tensor BatchNorm2dImpl::forward(const at::Tensor& x) {
  return at::batch_norm(x, weight, bias, running_mean, running_var, is_training(), kMomentum, eps_,
                        at::globalContext().userEnabledCuDNN());
}

StateDict without_batch_counts(StateDict state) {
  std::erase_if(state.tensors,
                [](const auto& entry) { return entry.first.ends_with(".num_batches_tracked"); });
  return state;
}

}  // namespace latentray::nn
