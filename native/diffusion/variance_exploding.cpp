#include "diffusion/variance_exploding.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "diffusion/float32_math.h"

namespace latentray {

AncestralStep ancestral_step(float from, float to) {
  const float variance = from * from;
  const float next_variance = to * to;
  const float up = std::sqrt(next_variance * (variance - next_variance) / variance);
  return {std::sqrt(next_variance - up * up), up};
}

float geometric_middle(float a, float b) {
  const float log_b = torch_log(b);
  return torch_exp(log_b - (log_b - torch_log(a)) * 0.5f);
}

double VarianceExplodingScheduler::init_noise_sigma() const {
  const float largest =
      sigmas_.empty() ? table_.largest() : *std::max_element(sigmas_.begin(), sigmas_.end());
  if (timestep_spacing_ != TimestepSpacing::kLeading) return largest;
  return std::sqrt(largest * largest + 1);
}

NoiseLevels VarianceExplodingScheduler::plan_levels(int64_t steps) const {
  return plan_levels(as_float32(spaced_timesteps(timestep_spacing_, steps_offset_,
                                                 noise_schedule_.num_train_timesteps(), steps)));
}

NoiseLevels VarianceExplodingScheduler::plan_levels(std::vector<double> timesteps) const {
  NoiseLevels levels{std::move(timesteps), {}};
  for (const double t : levels.timesteps) levels.sigmas.push_back(table_.sigma_at(t));
  if (sigma_spacing_ == SigmaSpacing::kTimesteps) return levels;

  levels.sigmas = spaced_sigmas(sigma_spacing_, sigma_min_.value_or(levels.sigmas.back()),
                                sigma_max_.value_or(levels.sigmas.front()),
                                static_cast<int64_t>(levels.timesteps.size()));
  levels.timesteps.clear();
  for (const double sigma : levels.sigmas) levels.timesteps.push_back(table_.timestep_of(sigma));
  return levels;
}

void VarianceExplodingScheduler::require_no_sigma_spacing() const {
  LATENTRAY_CHECK(sigma_spacing_ == SigmaSpacing::kTimesteps, "ERR_INVALID_ARG", class_name(),
                  ": the config spaces the sigmas itself; expected a number of steps");
}

at::Tensor VarianceExplodingScheduler::scale(const at::Tensor& sample, size_t index) const {
  return scale_by(sample, sigmas_[index]);
}

at::Tensor VarianceExplodingScheduler::scale_by(const at::Tensor& sample, float sigma) const {
  return sample / std::sqrt(sigma * sigma + 1);
}

at::Tensor VarianceExplodingScheduler::mix(const at::Tensor& original, const at::Tensor& noise,
                                           const at::Tensor& sigma) const {
  return original + noise * sigma;
}

}  // namespace latentray
