// Batch normalisation. Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training
// by Reducing Internal Covariate Shift" (2015). Parameter names are PyTorch's. What it counts
// (num_batches_tracked) is of no use here: see without_batch_counts().
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "weights/state_dict.h"

namespace latentray::nn {

class BatchNorm2dImpl : public torch::nn::Module {
 public:
  explicit BatchNorm2dImpl(int64_t channels, double eps = 1e-5);
  // Training normalises with the batch's own statistics and moves the running ones.
  at::Tensor forward(const at::Tensor& x);

  at::Tensor weight;        // [C]
  at::Tensor bias;          // [C]
  at::Tensor running_mean;  // [C]
  at::Tensor running_var;   // [C]

 private:
  double eps_;
};
TORCH_MODULE(BatchNorm2d);

// A published checkpoint less its counters, which are numbers without a dimension.
StateDict without_batch_counts(StateDict state);

}  // namespace latentray::nn
