// How much of what is made is real, and how much of what is real is made. Kynkäänniemi et al.,
// "Improved Precision and Recall Metric for Assessing Generative Models" (2019); density and
// coverage: Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models" (2020).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace latentray {

struct PrecisionRecall {
  double precision;  // made rows inside the ball of some real row
  double recall;     // real rows inside the ball of some made row
  double density;    // balls of real rows that a made row lies in, over k
  double coverage;   // real rows whose ball holds a made row
};

// A row's ball reaches to its k-th nearest neighbour in its own set. real [N, D], made [M, D], more
// than k rows each. ERR_SHAPE, ERR_DTYPE, ERR_NON_FINITE, ERR_INVALID_ARG.
PrecisionRecall precision_recall(const at::Tensor& real, const at::Tensor& made, int64_t k);

struct Neighbours {
  at::Tensor indices;    // int64 [M]
  at::Tensor distances;  // float64 [M], Euclidean
};

// The row of `references` [N, D] that is nearest to each of `rows` [M, D].
Neighbours nearest_neighbours(const at::Tensor& rows, const at::Tensor& references);

}  // namespace latentray
