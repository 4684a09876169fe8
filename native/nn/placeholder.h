// A parameter that waits for its weights.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace latentray::nn {

// The shape alone, over the memory of one number: what a config asks for is compared with the
// weight file before anything of that size is allocated.
inline at::Tensor placeholder(at::IntArrayRef shape) {
  return at::empty_strided(shape, std::vector<int64_t>(shape.size(), 0));
}

}  // namespace latentray::nn
