// What a straight line can read from features: logistic regression, one for each label.
#pragma once

#include <ATen/core/Tensor.h>

namespace latentray {

// Learns from `features` [N, D] and `labels` [N, L] (1, 0, or anything else: not known, left out)
// and says the log odds of each label for `queries` [M, D]: float64 [M, L] on the CPU; NaN for a
// label without both positives and negatives. Columns are brought to mean 0 and variance 1 by the
// training rows; the loss is Σ log-loss + l2 / 2 · |w|², the intercept free, which is
// scikit-learn's LogisticRegression with C = 1 / l2. Minimised by L-BFGS. ERR_SHAPE, ERR_DTYPE,
// ERR_NON_FINITE.
at::Tensor linear_probe(const at::Tensor& features, const at::Tensor& labels,
                        const at::Tensor& queries, double l2);

}  // namespace latentray
