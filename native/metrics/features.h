// What every measure of distributions asks of its rows of features.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace latentray {

// [N, D] in float64 on the CPU, at least one row. ERR_SHAPE, ERR_DTYPE, ERR_NON_FINITE name it.
at::Tensor checked_features(const at::Tensor& features, const char* name);

// Two sets of one width.
void check_same_width(const at::Tensor& a, const at::Tensor& b);

// `rows` in blocks of which each may be held against all of `others` at a time: what that takes
// does not grow with the sets.
std::vector<at::Tensor> blocks_of(const at::Tensor& rows, const at::Tensor& others);

}  // namespace latentray
