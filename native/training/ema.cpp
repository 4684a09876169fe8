#include "training/ema.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "training/trainer_state.h"

namespace latentray {

Ema::Ema(const EmaOptions& options, const NamedParameters& parameters)
    : options_(options), parameters_(parameters) {
  for (const auto& [name, parameter] : parameters_) {
    average_.push_back(parameter.detach().clone());
  }
}

double Ema::decay_at(int64_t update) const {
  const auto n = static_cast<double>(std::max(int64_t{0}, update - 1));
  if (n == 0) return 0;
  const double warm = options_.inv_gamma
                          ? 1 - std::pow(1 + n / *options_.inv_gamma, -options_.power)
                          : (1 + n) / (10 + n);
  return std::max(0.0, std::min(warm, options_.decay));
}

void Ema::update() {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> weights;
  for (const auto& [name, parameter] : parameters_) weights.push_back(parameter.detach());
  at::_foreach_lerp_(average_, weights, 1 - decay_at(++updates_));
}

void Ema::swap() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < average_.size(); ++i) {
    const auto weight = parameters_[i].second.detach().clone();
    parameters_[i].second.copy_(average_[i]);
    average_[i].copy_(weight);
  }
}

void Ema::save(StateDict& state, const std::string& prefix) const {
  for (size_t i = 0; i < average_.size(); ++i) {
    state.tensors[prefix + parameters_[i].first] = average_[i];
  }
  state.metadata[prefix + "updates"] = std::to_string(updates_);
}

void Ema::load(const StateDict& state, const std::string& prefix) {
  for (size_t i = 0; i < average_.size(); ++i) {
    copy_state(state, prefix + parameters_[i].first, average_[i]);
  }
  updates_ = integer_of(state, prefix + "updates");
}

}  // namespace latentray
