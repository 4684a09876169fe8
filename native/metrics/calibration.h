// Whether probabilities mean what they say. Brier, "Verification of Forecasts Expressed in Terms of
// Probability" (1950); Guo et al., "On Calibration of Modern Neural Networks" (2017). The Brier
// score equals scikit-learn's brier_score_loss.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace latentray {

struct Calibration {
  double brier;              // mean of (probability − label)²; NaN without rows
  double expected_error;     // |probability − frequency| over bins of one width, weighted by rows
  at::Tensor counts;         // int64 [bins]
  at::Tensor probabilities;  // float64 [bins]: the mean in each, NaN in an empty one
  at::Tensor frequencies;    // float64 [bins]: the share of positives
};

// labels [N]: 1, 0 or anything else (not known, left out); scores [N] in 0 … 1. ERR_SHAPE,
// ERR_NON_FINITE, ERR_INVALID_ARG.
Calibration calibration(const at::Tensor& labels, const at::Tensor& scores, int64_t bins);

}  // namespace latentray
