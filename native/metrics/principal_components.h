// The directions in which features vary most.
#pragma once

#include <ATen/core/Tensor.h>

namespace latentray {

struct PrincipalComponents {
  at::Tensor scores;    // float64 [N, count]: the rows, less their mean, along each direction
  at::Tensor variance;  // float64 [min(N, D)]: each direction's share of all variance; 0 where
                        // there is none
};

// Of [N, D], N at least 2; `count` at most min(N, D). A direction's largest entry is positive,
// which makes its sign the same everywhere. ERR_SHAPE, ERR_DTYPE, ERR_NON_FINITE.
PrincipalComponents principal_components(const at::Tensor& features, int64_t count);

}  // namespace latentray
