// Mean and covariance of features that come in batches: constant memory however many there are.
// Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
// Variances" (1982).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "weights/state_dict.h"

namespace latentray {

class FeatureStatistics {
 public:
  // features [N, D] of floating point; D is the first batch's. Added up in float64 on the CPU.
  // ERR_SHAPE, ERR_DTYPE, ERR_NON_FINITE change nothing.
  void add(const at::Tensor& features);

  // As if `other`'s rows had been added here. ERR_SHAPE.
  void merge(const FeatureStatistics& other);

  int64_t count() const { return count_; }
  int64_t width() const { return mean_.defined() ? mean_.size(0) : 0; }
  // Of the tensors: 0 before the first row.
  int64_t bytes() const;
  // float64 [D]. ERR_INVALID_ARG before the first row.
  at::Tensor mean() const;
  // float64 [D, D], divided by count − 1. ERR_INVALID_ARG before the second row.
  at::Tensor covariance() const;

  // What a file keeps, and back. ERR_WEIGHTS_MISSING_KEY, ERR_WEIGHTS_SHAPE, ERR_WEIGHTS_CORRUPT.
  StateDict state() const;
  static FeatureStatistics of_state(const StateDict& state);

 private:
  void combine(int64_t added, const at::Tensor& mean, const at::Tensor& scatter);

  int64_t count_ = 0;
  at::Tensor mean_;     // [D]
  at::Tensor scatter_;  // [D, D]: sum of (x − mean)(x − mean)ᵀ
};

}  // namespace latentray
