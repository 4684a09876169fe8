#include "diffusion/scheduler_tcd.h"

#include <ATen/ATen.h>

#include <cmath>

#include "diffusion/timestep_spacing.h"

namespace latentray {

TcdScheduler::TcdScheduler(ConfigReader& config) {
  auto schedule = NoiseScheduleOptions::from_config(
      config, {.beta_start = 0.00085, .beta_end = 0.012, .beta_schedule = "scaled_linear"});
  original_inference_steps_ = read_original_inference_steps(config, schedule.num_train_timesteps);
  // diffusers declares these keys as LCM does, and its TCD step makes no use of them.
  SampleLimits unused;
  config.boolean("clip_sample", false);
  config.number("clip_sample_range", 1.0);
  config.boolean("set_alpha_to_one", true);
  read_steps_offset(config);
  prediction_type_ = read_prediction_type(config);
  unused.read_thresholding(config);
  config.number("sample_max_value", 1.0);
  read_timestep_spacing(config, "leading");
  config.number("timestep_scaling", 10.0);
  schedule.rescale_betas_zero_snr = config.boolean("rescale_betas_zero_snr", false);

  noise_schedule_ = NoiseSchedule(schedule);
}

void TcdScheduler::plan(int64_t steps) {
  timesteps_ =
      distilled_timesteps(original_inference_steps_, noise_schedule_.num_train_timesteps(), steps);
  require_training_timesteps();
}

void TcdScheduler::plan_timesteps(const std::vector<double>& custom) {
  require_whole_timesteps(custom);
  timesteps_ = custom;
  require_training_timesteps();
}

at::Tensor TcdScheduler::advance(const at::Tensor& model_output, size_t index,
                                 const at::Tensor& sample, const StepOptions& options) {
  LATENTRAY_CHECK(options.eta >= 0 && options.eta <= 1, "ERR_INVALID_ARG",
                  "eta: expected 0 to 1, received ", options.eta);
  const bool last = index + 1 == timesteps_.size();
  const int64_t next = last ? 0 : timestep(index + 1);
  const float share = static_cast<float>(1 - options.eta);
  const auto target = static_cast<int64_t>(std::floor(share * static_cast<float>(next)));

  const float alpha_prod = noise_schedule_.alpha_cumprod(timestep(index));
  const float alpha_prod_target = noise_schedule_.alpha_cumprod(target);
  const float alpha = std::sqrt(alpha_prod);
  const float sigma = std::sqrt(1 - alpha_prod);
  const auto x0 = predict_x0(prediction_type_, model_output, sample, alpha, sigma);
  const auto epsilon = predict_epsilon(prediction_type_, model_output, sample, alpha, sigma);
  const auto jumped =
      std::sqrt(alpha_prod_target) * x0 + std::sqrt(1 - alpha_prod_target) * epsilon;
  if (last || options.eta == 0) return jumped;

  const float kept = noise_schedule_.alpha_cumprod(next) / alpha_prod_target;
  return std::sqrt(kept) * jumped + std::sqrt(1 - kept) * draw_noise(options, jumped);
}

}  // namespace latentray
