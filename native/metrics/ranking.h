// How well scores tell positives from negatives. Labels are 1, 0 or anything else: not known, left
// out. Equal to scikit-learn's roc_auc_score and average_precision_score.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace latentray {

enum class RankingMeasure {
  kAuroc,             // Hanley and McNeil (1982)
  kAveragePrecision,  // the mean precision at each positive
};

// Uncertainty by drawing rows again with replacement, from a generator seeded with `seed`. Draws
// without both classes are left out.
struct Bootstrap {
  int64_t draws = 0;  // none: no interval
  double confidence = 0.95;
  uint64_t seed = 0;
};

struct Estimate {
  double value;  // NaN where there are not both positives and negatives
  double lower;  // percentiles of the draws; NaN without draws
  double upper;
  int64_t positives;
  int64_t negatives;
};

// labels [N], scores [N], higher for positives. ERR_SHAPE, ERR_NON_FINITE, ERR_INVALID_ARG.
Estimate ranking(RankingMeasure measure, const at::Tensor& labels, const at::Tensor& scores,
                 const Bootstrap& bootstrap = {});

// What `scores` have more than `other_scores` on the same rows, which are drawn in pairs.
Estimate ranking_difference(RankingMeasure measure, const at::Tensor& labels,
                            const at::Tensor& scores, const at::Tensor& other_scores,
                            const Bootstrap& bootstrap = {});

}  // namespace latentray
