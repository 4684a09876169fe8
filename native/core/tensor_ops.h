// The closed set of tensor operations that custom loops in JavaScript need, by PyTorch's names.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <variant>
#include <vector>

namespace latentray {

// What an operation takes besides tensors: numbers and lists of integers by name.
using OpAttributes = std::map<std::string, std::variant<double, bool, std::vector<int64_t>>>;

// Runs operation `name`. ERR_INVALID_ARG for an unknown name, a missing attribute or a wrong number
// of tensors; ERR_SHAPE for tensors that do not fit; ERR_OUT_OF_MEMORY.
at::Tensor run_op(const std::string& name, const std::vector<at::Tensor>& inputs,
                  const OpAttributes& attributes);

}  // namespace latentray
