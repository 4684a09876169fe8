// How well scores tell positives from negatives. Labels are 1, 0 or anything else: not known, left
// out. Equal to scikit-learn's roc_auc_score, average_precision_score and brier_score_loss.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace latentray {

// Of one label. NaN where there are not both positives and negatives.
double auroc(const at::Tensor& labels, const at::Tensor& scores);
double average_precision(const at::Tensor& labels, const at::Tensor& scores);

// Hanley and McNeil's area with its uncertainty by drawing rows again with replacement, as often as
// `draws` says, from a generator seeded with `seed`. Draws without both classes are left out.
struct Interval {
  double value;
  double lower;
  double upper;
  int64_t positives;
  int64_t negatives;
};
Interval auroc_interval(const at::Tensor& labels, const at::Tensor& scores, double confidence,
                        int64_t draws, uint64_t seed);

// The difference of two scores' areas on the same rows, drawn in pairs.
Interval auroc_difference(const at::Tensor& labels, const at::Tensor& scores,
                          const at::Tensor& other_scores, double confidence, int64_t draws,
                          uint64_t seed);

struct Calibration {
  double brier;              // mean of (probability − label)²
  double expected_error;     // of bins of one width, weighted by their rows (Guo et al., 2017)
  at::Tensor counts;         // int64 [bins]
  at::Tensor probabilities;  // float64 [bins]: the mean in each, NaN in an empty one
  at::Tensor frequencies;    // float64 [bins]: the share of positives
};
// Scores are probabilities, 0 … 1.
Calibration calibration(const at::Tensor& labels, const at::Tensor& scores, int64_t bins);

}  // namespace latentray
