#include "diffusion/scheduler_heun.h"

#include <ATen/ATen.h>

namespace latentray {

HeunScheduler::HeunScheduler(ConfigReader& config) {
  const auto schedule = NoiseScheduleOptions::from_config(
      config, {.beta_start = 0.00085, .beta_end = 0.012}, {"exp"});
  prediction_type_ = read_prediction_type(config);
  sigma_spacing_ = read_sigma_spacing(config);
  limits_.clip_sample = config.boolean("clip_sample", false);
  limits_.clip_sample_range = config.number("clip_sample_range", 1.0);
  timestep_spacing_ = read_timestep_spacing(config, "linspace");
  steps_offset_ = read_steps_offset(config);

  set_noise_schedule(schedule);
}

void HeunScheduler::plan(int64_t steps) { follow(plan_levels(steps)); }

void HeunScheduler::plan_timesteps(const std::vector<double>& custom) {
  require_no_sigma_spacing();
  follow(plan_levels(as_float32(custom)));
}

// Each level but the first comes twice: at the end of one step and at the start of the next.
void HeunScheduler::follow(const NoiseLevels& levels) {
  sigmas_.clear();
  for (size_t i = 0; i < levels.sigmas.size(); ++i) {
    const size_t times = i == 0 ? 1 : 2;
    timesteps_.insert(timesteps_.end(), times, levels.timesteps[i]);
    sigmas_.insert(sigmas_.end(), times, static_cast<float>(levels.sigmas[i]));
  }
  sigmas_.push_back(0);
  timesteps_ = as_float32(std::move(timesteps_));
}

void HeunScheduler::forget() {
  step_sample_.reset();
  step_derivative_.reset();
}

at::Tensor HeunScheduler::advance(const at::Tensor& model_output, size_t index,
                                  const at::Tensor& sample, const StepOptions&) {
  const float sigma = sigmas_[index];
  const auto x0 = limits_.apply(predict_x0_at_sigma(prediction_type_, model_output, sample, sigma));
  const auto derivative = (sample - x0) / sigma;
  if (index % 2 == 0) {
    step_sample_ = sample;
    step_derivative_ = derivative;
    return sample + derivative * (sigmas_[index + 1] - sigma);
  }
  LATENTRAY_CHECK(
      step_sample_.defined(), "ERR_INVALID_ARG",
      "step: a run starts at an even index (a whole step is two model calls), received ", index);
  const auto mean = (step_derivative_ + derivative) / 2;
  return step_sample_ + mean * (sigma - sigmas_[index - 1]);
}

}  // namespace latentray
