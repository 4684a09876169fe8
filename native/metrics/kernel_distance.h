// KID: the squared maximum mean discrepancy of two sets of features under a cubic kernel. Bińkowski
// et al., "Demystifying MMD GANs" (2018).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace latentray {

struct KernelDistance {
  double mean;
  double deviation;  // of the subsets from their mean, squares divided by their number
};

// The unbiased estimate under k(x, y) = (x·y / D + 1)³ over all rows: [N, D] and [M, D], two rows
// each at least. ERR_SHAPE, ERR_DTYPE, ERR_NON_FINITE, ERR_INVALID_ARG.
double kernel_distance(const at::Tensor& a, const at::Tensor& b);

// The same over `subsets` draws of `size` rows each, without replacement, from a generator seeded
// with `seed`.
KernelDistance kernel_distance_of_subsets(const at::Tensor& a, const at::Tensor& b, int64_t subsets,
                                          int64_t size, uint64_t seed);

}  // namespace latentray
