#include "metrics/ranking.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/cancellation.h"
#include "core/error.h"
#include "metrics/labelled_rows.h"

namespace latentray {

using at::Tensor;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Steps {
  Tensor true_positives;  // [distinct scores], from the highest score down
  Tensor false_positives;
};

// Rows of equal scores go together.
Steps steps_of(const Tensor& labels, const Tensor& scores) {
  const auto [sorted, order] = scores.sort(0, /*descending=*/true);
  const Tensor positives = labels.index_select(0, order).cumsum(0);
  const int64_t n = scores.size(0);
  const Tensor changes = (sorted.narrow(0, 1, n - 1) != sorted.narrow(0, 0, n - 1)).nonzero();
  const Tensor last = at::cat({changes.squeeze(1), at::full({1}, n - 1, at::kLong)});
  const Tensor true_positives = positives.index_select(0, last);
  return {true_positives, (last + 1).to(at::kDouble) - true_positives};
}

Tensor from_zero(const Tensor& steps) { return at::cat({at::zeros({1}, at::kDouble), steps}); }

double auroc(const Steps& steps) {
  const Tensor x = from_zero(steps.false_positives);
  const Tensor y = from_zero(steps.true_positives);
  return at::trapezoid(y, x).item<double>() / (x[-1] * y[-1]).item<double>();
}

double average_precision(const Steps& steps) {
  const Tensor precision = steps.true_positives / (steps.true_positives + steps.false_positives);
  const Tensor recall = steps.true_positives / steps.true_positives[-1];
  return (precision * at::diff(from_zero(recall))).sum().item<double>();
}

double figure_of(RankingMeasure measure, const Tensor& labels, const Tensor& scores) {
  const double positives = labels.sum().item<double>();
  if (positives == 0 || positives == static_cast<double>(labels.size(0))) return kNaN;
  const Steps steps = steps_of(labels, scores);
  return measure == RankingMeasure::kAuroc ? auroc(steps) : average_precision(steps);
}

// What figure(labels, scores) says of all rows, and between which percentiles it lies.
template <class Figure>
Estimate estimate(const LabelledRows& known, const Bootstrap& bootstrap, const Figure& figure) {
  LATENTRAY_CHECK(bootstrap.confidence > 0 && bootstrap.confidence < 1, "ERR_INVALID_ARG",
                  "confidence: expected a number between 0 and 1, found ", bootstrap.confidence);
  LATENTRAY_CHECK(bootstrap.draws >= 0, "ERR_INVALID_ARG", "draws: expected 0 or more, found ",
                  bootstrap.draws);
  const int64_t n = known.labels.size(0);
  const auto positives = known.labels.sum().item<int64_t>();
  Estimate result{figure(known), kNaN, kNaN, positives, n - positives};
  if (std::isnan(result.value)) return result;
  auto generator = at::detail::createCPUGenerator(bootstrap.seed);
  std::vector<double> drawn;
  for (int64_t i = 0; i < bootstrap.draws; ++i) {
    cancellation_point();
    const Tensor rows = at::randint(n, {n}, generator, at::kLong);
    LabelledRows sample{known.labels.index_select(0, rows), {}};
    for (const Tensor& each : known.scores) sample.scores.push_back(each.index_select(0, rows));
    const double value = figure(sample);
    if (!std::isnan(value)) drawn.push_back(value);
  }
  if (drawn.empty()) return result;
  const Tensor values = at::tensor(drawn, at::kDouble);
  result.lower = at::quantile(values, (1 - bootstrap.confidence) / 2).item<double>();
  result.upper = at::quantile(values, (1 + bootstrap.confidence) / 2).item<double>();
  return result;
}

}  // namespace

Estimate ranking(RankingMeasure measure, const Tensor& labels, const Tensor& scores,
                 const Bootstrap& bootstrap) {
  return estimate(labelled_rows(labels, {scores}), bootstrap, [measure](const LabelledRows& rows) {
    return figure_of(measure, rows.labels, rows.scores[0]);
  });
}

Estimate ranking_difference(RankingMeasure measure, const Tensor& labels, const Tensor& scores,
                            const Tensor& other_scores, const Bootstrap& bootstrap) {
  return estimate(labelled_rows(labels, {scores, other_scores}), bootstrap,
                  [measure](const LabelledRows& rows) {
                    return figure_of(measure, rows.labels, rows.scores[0]) -
                           figure_of(measure, rows.labels, rows.scores[1]);
                  });
}

}  // namespace latentray
