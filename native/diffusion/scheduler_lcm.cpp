#include "diffusion/scheduler_lcm.h"

#include <ATen/ATen.h>

#include <cmath>

#include "diffusion/timestep_spacing.h"

namespace latentray {

LcmScheduler::LcmScheduler(ConfigReader& config) {
  auto schedule = NoiseScheduleOptions::from_config(
      config, {.beta_start = 0.00085, .beta_end = 0.012, .beta_schedule = "scaled_linear"});
  original_inference_steps_ = read_original_inference_steps(config, schedule.num_train_timesteps);
  limits_.clip_sample = config.boolean("clip_sample", false);
  limits_.clip_sample_range = config.number("clip_sample_range", 1.0);
  // No run goes below timestep 0, nor are timesteps spaced by the three keys that follow.
  config.boolean("set_alpha_to_one", true);
  read_steps_offset(config);
  prediction_type_ = read_prediction_type(config);
  limits_.read_thresholding(config);
  limits_.sample_max_value = config.number("sample_max_value", 1.0);
  read_timestep_spacing(config, "leading");
  timestep_scaling_ = config.number("timestep_scaling", 10.0);
  schedule.rescale_betas_zero_snr = config.boolean("rescale_betas_zero_snr", false);

  noise_schedule_ = NoiseSchedule(schedule);
}

void LcmScheduler::plan(int64_t steps) {
  timesteps_ =
      distilled_timesteps(original_inference_steps_, noise_schedule_.num_train_timesteps(), steps);
  require_training_timesteps();
}

void LcmScheduler::plan_timesteps(const std::vector<double>& custom) {
  require_whole_timesteps(custom);
  timesteps_ = custom;
  require_training_timesteps();
}

at::Tensor LcmScheduler::advance(const at::Tensor& model_output, size_t index,
                                 const at::Tensor& sample, const StepOptions& options) {
  const float alpha_prod = noise_schedule_.alpha_cumprod(timestep(index));
  const auto x0 = limits_.apply(predict_x0(prediction_type_, model_output, sample,
                                           std::sqrt(alpha_prod), std::sqrt(1 - alpha_prod)));

  // The boundary condition: at t = 0 the sample passes unchanged. σ of the data is one half.
  constexpr float kDataVariance = 0.25f;
  const float scaled = static_cast<float>(timestep(index)) * static_cast<float>(timestep_scaling_);
  const float total = scaled * scaled + kDataVariance;
  const auto denoised = scaled / std::sqrt(total) * x0 + kDataVariance / total * sample;
  if (index + 1 == timesteps_.size()) return denoised;

  const float next = noise_schedule_.alpha_cumprod(timestep(index + 1));
  return std::sqrt(next) * denoised + std::sqrt(1 - next) * draw_noise(options, denoised);
}

}  // namespace latentray
