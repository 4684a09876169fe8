// The parameters that a training run changes, by the names that the model's checkpoint has.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace latentray {

using NamedParameters = std::vector<std::pair<std::string, at::Tensor>>;

// Those that have a gradient, and their gradients.
struct WithGradients {
  explicit WithGradients(const NamedParameters& named);
  std::vector<size_t> indices;
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> gradients;
};

// The norm of all gradients as one vector; with `max_norm` they are scaled down to it where it is
// exceeded, as torch.nn.utils.clip_grad_norm_ does. 0 without gradients.
double clip_gradients(const NamedParameters& parameters, std::optional<double> max_norm);

// Copies of the gradients that are there, by the parameters' names.
NamedParameters copy_gradients(const NamedParameters& parameters);

// Frees the gradients.
void forget_gradients(const NamedParameters& parameters);

}  // namespace latentray
