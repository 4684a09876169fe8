#include "diffusion/variance_preserving.h"

#include <ATen/ATen.h>

#include <cmath>

#include "diffusion/float32_math.h"

namespace latentray {

namespace {

LogSnrLevel level_of(float sigma) {
  const float alpha = 1 / std::sqrt(sigma * sigma + 1);
  const float scaled = sigma * alpha;
  return {alpha, scaled, torch_log(alpha) - torch_log(scaled)};
}

}  // namespace

size_t VariancePreservingScheduler::read_solver_order(ConfigReader& config, int64_t most) {
  const int64_t order = config.integer("solver_order", 2, 1);
  if (order > most) config.reject("solver_order", c10::str("1 to ", most));
  return static_cast<size_t>(order);
}

void VariancePreservingScheduler::reject_flow_sigmas(ConfigReader& config) {
  config.only("use_flow_sigmas", false);
  config.number("flow_shift", 1.0);
}

void VariancePreservingScheduler::reject_dynamic_shifting(ConfigReader& config) {
  config.only("use_dynamic_shifting", false);
  config.choice("time_shift_type", "exponential", {"exponential", "linear"});
}

std::vector<double> VariancePreservingScheduler::whole_timesteps(int64_t steps) const {
  const int64_t total = noise_schedule_.num_train_timesteps();
  return interval_timesteps(timestep_spacing_, steps_offset_, total, total, steps);
}

void VariancePreservingScheduler::plan_levels(std::vector<double> timesteps, int64_t steps) {
  std::vector<double> sigmas;
  if (sigma_spacing_ == SigmaSpacing::kTimesteps) {
    for (const double t : timesteps) sigmas.push_back(table_.sigma_at(t));
  } else {
    sigmas = spaced_sigmas(sigma_spacing_, sigma_min_.value_or(table_.smallest()),
                           sigma_max_.value_or(table_.largest()), steps);
    timesteps.clear();
    for (const double sigma : sigmas) {
      const double t = table_.timestep_of(sigma);
      timesteps.push_back(rounds_timesteps() ? std::nearbyint(t) : std::trunc(t));
    }
  }
  sigmas.push_back(final_sigma(sigmas.back()));
  sigmas_.assign(sigmas.begin(), sigmas.end());
  timesteps_ = std::move(timesteps);
  levels_.clear();
  for (const float sigma : sigmas_) levels_.push_back(level_of(sigma));
}

void VariancePreservingScheduler::plan_custom(const std::vector<double>& custom) {
  require_whole_timesteps(custom);
  LATENTRAY_CHECK(sigma_spacing_ == SigmaSpacing::kTimesteps, "ERR_INVALID_ARG", class_name(),
                  ": the config spaces the sigmas itself; expected a number of steps");
  plan_levels(custom, static_cast<int64_t>(custom.size()));
}

at::Tensor VariancePreservingScheduler::x0(const at::Tensor& model_output, size_t index,
                                           const at::Tensor& sample) const {
  return predict_x0(prediction_type_, model_output, sample, level(index).alpha, level(index).sigma);
}

at::Tensor VariancePreservingScheduler::epsilon(const at::Tensor& model_output, size_t index,
                                                const at::Tensor& sample) const {
  return predict_epsilon(prediction_type_, model_output, sample, level(index).alpha,
                         level(index).sigma);
}

at::Tensor VariancePreservingScheduler::mix(const at::Tensor& original, const at::Tensor& noise,
                                            const at::Tensor& sigma) const {
  const auto alpha = (sigma.square() + 1).sqrt().reciprocal();
  return alpha * original + sigma * alpha * noise;
}

}  // namespace latentray
