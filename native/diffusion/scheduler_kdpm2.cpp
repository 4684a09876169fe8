#include "diffusion/scheduler_kdpm2.h"

#include <ATen/ATen.h>

namespace latentray {

Kdpm2Scheduler::Kdpm2Scheduler(ConfigReader& config) {
  const auto schedule =
      NoiseScheduleOptions::from_config(config, {.beta_start = 0.00085, .beta_end = 0.012});
  sigma_spacing_ = read_sigma_spacing(config);
  prediction_type_ = read_prediction_type(config, {"epsilon", "v_prediction"});
  timestep_spacing_ = read_timestep_spacing(config, "linspace");
  steps_offset_ = read_steps_offset(config);

  set_noise_schedule(schedule);
}

void Kdpm2Scheduler::plan(int64_t steps) {
  auto levels = plan_levels(steps);
  if (sigma_spacing_ == SigmaSpacing::kKarras) levels.timesteps = rounded(levels.timesteps);
  const std::vector<float> sigmas(levels.sigmas.begin(), levels.sigmas.end());

  // The last step has no middle: it goes to σ = 0, which has no logarithm.
  timesteps_ = {levels.timesteps[0]};
  sigmas_ = {sigmas[0]};
  middles_.clear();
  for (size_t i = 1; i < sigmas.size(); ++i) {
    middles_.push_back(geometric_middle(sigmas[i], sigmas[i - 1]));
    const double t = table_.timestep_in_float32(middles_.back());
    timesteps_.insert(timesteps_.end(), {t, levels.timesteps[i]});
    sigmas_.insert(sigmas_.end(), 2, sigmas[i]);
  }
  sigmas_.insert(sigmas_.end(), 3, 0);
}

at::Tensor Kdpm2Scheduler::scale(const at::Tensor& sample, size_t index) const {
  return scale_by(sample, index % 2 == 0 ? sigmas_[index] : middle_of_step(index));
}

at::Tensor Kdpm2Scheduler::advance(const at::Tensor& model_output, size_t index,
                                   const at::Tensor& sample, const StepOptions&) {
  const bool first_half = index % 2 == 0;
  LATENTRAY_CHECK(
      first_half || step_sample_.defined(), "ERR_INVALID_ARG",
      "step: a run starts at an even index (a whole step is two model calls), received ", index);
  const float sigma_seen = first_half ? sigmas_[index] : middle_of_step(index);
  const auto x0 = predict_x0_at_sigma(prediction_type_, model_output, sample, sigma_seen);
  const auto derivative = (sample - x0) / sigma_seen;
  if (!first_half) return step_sample_ + derivative * (sigmas_[index] - sigmas_[index - 1]);
  step_sample_ = sample;
  const bool last = index + 1 == timesteps_.size();
  const float target = last ? 0 : middle_of_step(index);
  return sample + derivative * (target - sigma_seen);
}

}  // namespace latentray
