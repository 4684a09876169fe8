// Small questions about a module's parameters.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

namespace latentray::nn {

// Some parameter of the module: it tells the dtype and the device of all. Found without gathering
// the hundreds that a large model has.
at::Tensor first_parameter(const torch::nn::Module& module);

// Lays the weights of convolutions out channels-last, which cuDNN computes faster in; activations
// follow by themselves. Values and keys stay. (On the CPU nn/onednn.h has a better layout.)
void use_channels_last(torch::nn::Module& module);

}  // namespace latentray::nn
