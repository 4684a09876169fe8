#include "diffusion/scheduler_euler_ancestral.h"

#include <ATen/ATen.h>

namespace latentray {

EulerAncestralScheduler::EulerAncestralScheduler(ConfigReader& config) {
  auto schedule = NoiseScheduleOptions::from_config(config, {});
  prediction_type_ = read_prediction_type(config, {"epsilon", "v_prediction"});
  timestep_spacing_ = read_timestep_spacing(config, "linspace");
  steps_offset_ = read_steps_offset(config);
  schedule.rescale_betas_zero_snr = config.boolean("rescale_betas_zero_snr", false);

  set_noise_schedule(schedule);
}

void EulerAncestralScheduler::plan(int64_t steps) {
  auto levels = plan_levels(steps);
  sigmas_.assign(levels.sigmas.begin(), levels.sigmas.end());
  sigmas_.push_back(0);
  timesteps_ = std::move(levels.timesteps);
}

at::Tensor EulerAncestralScheduler::advance(const at::Tensor& model_output, size_t index,
                                            const at::Tensor& sample, const StepOptions& options) {
  const float sigma = sigmas_[index];
  const auto [sigma_down, sigma_up] = ancestral_step(sigma, sigmas_[index + 1]);
  const auto x = sample.to(at::kFloat);
  const auto x0 = predict_x0_at_sigma(prediction_type_, model_output, x, sigma);
  const auto derivative = (x - x0) / sigma;
  const auto down = x + derivative * (sigma_down - sigma);
  return down + draw_noise(options, model_output) * sigma_up;
}

}  // namespace latentray
