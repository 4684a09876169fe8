// What every measure of distributions asks of its rows of features.
#pragma once

#include <ATen/core/Tensor.h>

namespace latentray {

// [N, D] in float64 on the CPU, at least one row. ERR_SHAPE, ERR_DTYPE, ERR_NON_FINITE name it.
at::Tensor checked_features(const at::Tensor& features, const char* name);

// Two sets of one width.
void check_same_width(const at::Tensor& a, const at::Tensor& b);

}  // namespace latentray
