#include "metrics/feature_statistics.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "metrics/features.h"
#include "training/trainer_state.h"

namespace latentray {

using at::Tensor;

void FeatureStatistics::add(const Tensor& features) {
  const Tensor rows = checked_features(features, "features");  // [N, D]
  LATENTRAY_CHECK(!mean_.defined() || rows.size(1) == width(), "ERR_SHAPE",
                  "features: expected [N, ", width(), "] as before, found ", rows.sizes());
  const Tensor mean = rows.mean(0);
  const Tensor centred = rows - mean;
  combine(rows.size(0), mean, at::mm(centred.t(), centred));
}

void FeatureStatistics::merge(const FeatureStatistics& other) {
  if (other.count_ == 0) return;
  LATENTRAY_CHECK(!mean_.defined() || other.width() == width(), "ERR_SHAPE",
                  "statistics: expected features of width ", width(), " as before, found ",
                  other.width());
  combine(other.count_, other.mean_, other.scatter_);
}

void FeatureStatistics::combine(int64_t added, const Tensor& mean, const Tensor& scatter) {
  if (!mean_.defined()) {
    mean_ = at::zeros_like(mean);
    scatter_ = at::zeros_like(scatter);
  }
  const auto before = static_cast<double>(count_);
  const auto total = static_cast<double>(count_ + added);
  const Tensor shift = mean - mean_;
  scatter_ += scatter + at::outer(shift, shift) * (before * static_cast<double>(added) / total);
  mean_ += shift * (static_cast<double>(added) / total);
  count_ += added;
}

int64_t FeatureStatistics::bytes() const {
  if (!mean_.defined()) return 0;
  return static_cast<int64_t>(mean_.nbytes() + scatter_.nbytes());
}

Tensor FeatureStatistics::mean() const {
  LATENTRAY_CHECK(count_ > 0, "ERR_INVALID_ARG", "statistics: expected features first, found none");
  return mean_.clone();
}

Tensor FeatureStatistics::covariance() const {
  LATENTRAY_CHECK(count_ > 1, "ERR_INVALID_ARG",
                  "statistics: expected at least 2 rows of features, found ", count_);
  return scatter_ / static_cast<double>(count_ - 1);
}

StateDict FeatureStatistics::state() const {
  StateDict state;
  state.tensors["mean"] = mean();
  state.tensors["scatter"] = scatter_.clone();
  state.metadata["count"] = std::to_string(count_);
  return state;
}

FeatureStatistics FeatureStatistics::of_state(const StateDict& state) {
  FeatureStatistics statistics;
  statistics.count_ = integer_of(state, "count");
  LATENTRAY_CHECK(statistics.count_ > 0, "ERR_WEIGHTS_CORRUPT", state.origin,
                  ": count: expected a positive number, found ", statistics.count_);
  const auto mean = state.tensors.find("mean");
  const int64_t width = mean == state.tensors.end() ? 0 : mean->second.numel();
  statistics.mean_ = tensor_of(state, "mean", {width}).to(at::kDouble).clone();
  statistics.scatter_ = tensor_of(state, "scatter", {width, width}).to(at::kDouble).clone();
  return statistics;
}

}  // namespace latentray
