#include "metrics/ranking.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <functional>
#include <limits>

#include "core/cancellation.h"
#include "core/error.h"

namespace latentray {

using at::Tensor;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Known {
  Tensor labels;  // float64 [N]: 0 or 1
  std::vector<Tensor> scores;
};

Known known_rows(const Tensor& labels, const std::vector<Tensor>& scores) {
  LATENTRAY_CHECK(labels.dim() == 1, "ERR_SHAPE", "labels: expected [N], found ", labels.sizes());
  const Tensor all = labels.to(at::kCPU, at::kDouble);
  const Tensor rows = ((all == 0) | (all == 1)).nonzero().squeeze(1);
  Known known{all.index_select(0, rows), {}};
  for (const Tensor& each : scores) {
    LATENTRAY_CHECK(each.sizes() == labels.sizes(), "ERR_SHAPE",
                    "scores: expected one for each of the ", labels.size(0), " labels, found ",
                    each.sizes());
    const Tensor chosen = each.to(at::kCPU, at::kDouble).index_select(0, rows);
    LATENTRAY_CHECK(chosen.isfinite().all().item<bool>(), "ERR_NON_FINITE",
                    "scores: expected finite values, found NaN or infinity");
    known.scores.push_back(chosen);
  }
  return known;
}

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

bool has_both(const Tensor& labels) {
  if (labels.size(0) == 0) return false;
  const double share = labels.mean().item<double>();
  return share > 0 && share < 1;
}

double area(const Tensor& labels, const Tensor& scores) {
  if (!has_both(labels)) return kNaN;
  const Steps steps = steps_of(labels, scores);
  const Tensor zero = at::zeros({1}, at::kDouble);
  const Tensor x = at::cat({zero, steps.false_positives});
  const Tensor y = at::cat({zero, steps.true_positives});
  const double whole = (x[-1] * y[-1]).item<double>();
  return at::trapezoid(y, x).item<double>() / whole;
}

// Percentiles of what `figure` says of rows drawn with replacement.
Interval interval_of(const Tensor& labels, double value, double confidence, int64_t draws,
                     uint64_t seed, const std::function<double(const Tensor& rows)>& figure) {
  LATENTRAY_CHECK(confidence > 0 && confidence < 1, "ERR_INVALID_ARG",
                  "confidence: expected a number between 0 and 1, found ", confidence);
  LATENTRAY_CHECK(draws >= 1, "ERR_INVALID_ARG", "draws: expected at least 1, found ", draws);
  const auto positives = labels.sum().item<int64_t>();
  Interval interval{value, kNaN, kNaN, positives, labels.size(0) - positives};
  if (!has_both(labels)) return interval;
  auto generator = at::detail::createCPUGenerator(seed);
  std::vector<double> found;
  for (int64_t i = 0; i < draws; ++i) {
    cancellation_point();
    const int64_t n = labels.size(0);
    const double drawn = figure(at::randint(n, {n}, generator, at::kLong));
    if (!std::isnan(drawn)) found.push_back(drawn);
  }
  if (found.empty()) return interval;
  const Tensor sorted = at::tensor(found, at::kDouble);
  interval.lower = at::quantile(sorted, (1 - confidence) / 2).item<double>();
  interval.upper = at::quantile(sorted, (1 + confidence) / 2).item<double>();
  return interval;
}

}  // namespace

double auroc(const Tensor& labels, const Tensor& scores) {
  const Known known = known_rows(labels, {scores});
  return area(known.labels, known.scores[0]);
}

double average_precision(const Tensor& labels, const Tensor& scores) {
  const Known known = known_rows(labels, {scores});
  if (!has_both(known.labels)) return kNaN;
  const Steps steps = steps_of(known.labels, known.scores[0]);
  const Tensor precision =
      steps.true_positives / (steps.true_positives + steps.false_positives);  // [steps]
  const Tensor recall = steps.true_positives / steps.true_positives[-1];
  const Tensor gained = at::diff(at::cat({at::zeros({1}, at::kDouble), recall}));
  return (precision * gained).sum().item<double>();
}

Interval auroc_interval(const Tensor& labels, const Tensor& scores, double confidence,
                        int64_t draws, uint64_t seed) {
  const Known known = known_rows(labels, {scores});
  const auto figure = [&](const Tensor& rows) {
    return area(known.labels.index_select(0, rows), known.scores[0].index_select(0, rows));
  };
  return interval_of(known.labels, area(known.labels, known.scores[0]), confidence, draws, seed,
                     figure);
}

Interval auroc_difference(const Tensor& labels, const Tensor& scores, const Tensor& other_scores,
                          double confidence, int64_t draws, uint64_t seed) {
  const Known known = known_rows(labels, {scores, other_scores});
  const auto difference = [&](const Tensor& of, const Tensor& one, const Tensor& other) {
    return area(of, one) - area(of, other);
  };
  const auto figure = [&](const Tensor& rows) {
    return difference(known.labels.index_select(0, rows), known.scores[0].index_select(0, rows),
                      known.scores[1].index_select(0, rows));
  };
  return interval_of(known.labels, difference(known.labels, known.scores[0], known.scores[1]),
                     confidence, draws, seed, figure);
}

Calibration calibration(const Tensor& labels, const Tensor& scores, int64_t bins) {
  LATENTRAY_CHECK(bins >= 1, "ERR_INVALID_ARG", "bins: expected at least 1, found ", bins);
  const Known known = known_rows(labels, {scores});
  const Tensor& probabilities = known.scores[0];
  LATENTRAY_CHECK(((probabilities >= 0) & (probabilities <= 1)).all().item<bool>(),
                  "ERR_INVALID_ARG", "scores: expected probabilities, 0 to 1");
  const Tensor bin = (probabilities * bins).floor().clamp_max(bins - 1).to(at::kLong);
  const Tensor counts = at::bincount(bin, {}, bins);
  const Tensor mean_probability = at::bincount(bin, probabilities, bins) / counts;
  const Tensor frequency = at::bincount(bin, known.labels, bins) / counts;
  const Tensor errors = ((mean_probability - frequency).abs() * counts).nan_to_num(0);
  const auto rows = static_cast<double>(known.labels.size(0));
  return {(probabilities - known.labels).square().mean().item<double>(),
          errors.sum().item<double>() / rows, counts, mean_probability, frequency};
}

}  // namespace latentray
