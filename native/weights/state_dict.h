// Named tensors, as a checkpoint holds them, and their way into a module.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <map>
#include <string>
#include <vector>

namespace latentray {

struct StateDict {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> metadata;
  // Where the tensors come from: the first words of every error message.
  std::string origin;
};

struct LoadOptions {
  at::Device device = at::kCPU;
  // Unset keeps each tensor's own dtype.
  std::optional<at::ScalarType> dtype;
  // Keys that older checkpoints hold and the architecture computes itself (buffers such as
  // "position_ids").
  std::vector<std::string> ignored_keys;
};

// Gives every parameter of `module` the checkpoint's tensor of that name, without a copy unless the
// dtype or the device changes. ERR_WEIGHTS_MISSING_KEY, ERR_WEIGHTS_UNEXPECTED_KEY or
// ERR_WEIGHTS_SHAPE, each naming the keys; the module is unchanged then.
void load_state_dict(torch::nn::Module& module, const StateDict& state, const LoadOptions& options);

// Casts the floating-point tensors.
void cast_floating(StateDict& state, at::ScalarType dtype);

// The parameters of `module` under their own names.
StateDict state_of(const torch::nn::Module& module);

}  // namespace latentray
