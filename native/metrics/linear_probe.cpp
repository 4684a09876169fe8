#include "metrics/linear_probe.h"

#include <ATen/ATen.h>
#include <torch/optim/lbfgs.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/cancellation.h"
#include "core/error.h"
#include "metrics/features.h"

namespace latentray {

namespace {

using at::Tensor;

// Weights of the columns, and the intercept last: [D + 1].
Tensor fit(const Tensor& rows, const Tensor& labels, double l2) {
  const Tensor inputs = at::cat({rows, at::ones({rows.size(0), 1}, at::kDouble)}, 1);
  Tensor penalty = at::full({inputs.size(1)}, l2, at::kDouble);
  penalty[-1] = 0;
  Tensor weights = at::zeros({inputs.size(1)}, at::kDouble);
  weights.mutable_grad() = at::zeros_like(weights);
  torch::optim::LBFGS optimizer({weights}, torch::optim::LBFGSOptions(1)
                                               .max_iter(1000)
                                               .max_eval(2000)
                                               .tolerance_grad(1e-7)
                                               .tolerance_change(1e-12)
                                               .history_size(20)
                                               .line_search_fn("strong_wolfe"));
  // The gradient has a closed form, so nothing is recorded for autograd.
  optimizer.step([&] {
    cancellation_point();
    const at::NoGradGuard no_grad;
    const Tensor scores = inputs.mv(weights);
    weights.mutable_grad().copy_(inputs.t().mv(scores.sigmoid() - labels) + penalty * weights);
    const Tensor losses = at::softplus(scores) - labels * scores;
    return losses.sum() + (penalty * weights.square()).sum() / 2;
  });
  return weights;
}

Tensor scores_of(const Tensor& rows, const Tensor& weights) {
  const int64_t width = rows.size(1);
  return rows.mv(weights.narrow(0, 0, width)) + weights[width];
}

}  // namespace

Tensor linear_probe(const Tensor& features, const Tensor& labels, const Tensor& queries,
                    double l2) {
  const Tensor rows = checked_features(features, "features");
  const Tensor asked = checked_features(queries, "queries");
  check_same_width(rows, asked);
  LATENTRAY_CHECK(labels.dim() == 2 && labels.size(0) == rows.size(0), "ERR_SHAPE",
                  "labels: expected [", rows.size(0), ", L], a row for each of features, found ",
                  labels.sizes());
  LATENTRAY_CHECK(std::isfinite(l2) && l2 > 0, "ERR_INVALID_ARG",
                  "l2: expected a positive number, found ", l2);
  const Tensor truth = labels.to(at::kCPU, at::kDouble);
  const Tensor mean = rows.mean(0);
  Tensor deviation = (rows - mean).square().mean(0).sqrt();
  deviation.masked_fill_(deviation == 0, 1);
  const Tensor inputs = (rows - mean) / deviation;
  const Tensor standardised = (asked - mean) / deviation;
  Tensor scores = at::full({asked.size(0), truth.size(1)}, std::numeric_limits<double>::quiet_NaN(),
                           at::kDouble);
  for (int64_t label = 0; label < truth.size(1); ++label) {
    const Tensor column = truth.select(1, label);
    const Tensor known = ((column == 0) | (column == 1)).nonzero().flatten();
    const Tensor values = column.index_select(0, known);
    const auto positives = values.sum().item<double>();
    if (positives == 0 || positives == static_cast<double>(values.numel())) continue;
    const Tensor weights = fit(inputs.index_select(0, known), values, l2);
    scores.select(1, label).copy_(scores_of(standardised, weights));
  }
  return scores;
}

}  // namespace latentray
