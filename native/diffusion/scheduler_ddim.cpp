#include "diffusion/scheduler_ddim.h"

#include <ATen/ATen.h>

#include <cmath>

namespace latentray {

DdimScheduler::DdimScheduler(ConfigReader& config) {
  auto schedule = NoiseScheduleOptions::from_config(config, {});
  limits_.clip_sample = config.boolean("clip_sample", true);
  const bool set_alpha_to_one = config.boolean("set_alpha_to_one", true);
  steps_offset_ = read_steps_offset(config);
  prediction_type_ = read_prediction_type(config);
  limits_.read_thresholding(config);
  limits_.clip_sample_range = config.number("clip_sample_range", 1.0);
  limits_.sample_max_value = config.number("sample_max_value", 1.0);
  timestep_spacing_ = read_timestep_spacing(config, "leading");
  schedule.rescale_betas_zero_snr = config.boolean("rescale_betas_zero_snr", false);

  noise_schedule_ = NoiseSchedule(schedule);
  final_alpha_cumprod_ = set_alpha_to_one ? 1.0f : noise_schedule_.alpha_cumprod(0);
}

void DdimScheduler::plan(int64_t steps) {
  const int64_t total = noise_schedule_.num_train_timesteps();
  timesteps_ = rounded(spaced_timesteps(timestep_spacing_, steps_offset_, total, steps));
  require_training_timesteps();
  stride_ = total / steps;
}

at::Tensor DdimScheduler::advance(const at::Tensor& model_output, size_t index,
                                  const at::Tensor& sample, const StepOptions& options) {
  LATENTRAY_CHECK(options.eta >= 0 && options.eta <= 1, "ERR_INVALID_ARG",
                  "eta: expected 0 to 1, received ", options.eta);
  const int64_t t = timestep(index);
  const float alpha_prod = noise_schedule_.alpha_cumprod(t);
  const float alpha_prod_prev =
      t >= stride_ ? noise_schedule_.alpha_cumprod(t - stride_) : final_alpha_cumprod_;
  const float alpha = std::sqrt(alpha_prod);
  const float sigma = std::sqrt(1 - alpha_prod);

  const auto x0 = limits_.apply(predict_x0(prediction_type_, model_output, sample, alpha, sigma));
  const auto epsilon = predict_epsilon(prediction_type_, model_output, sample, alpha, sigma);

  const float variance =
      (1 - alpha_prod_prev) / (1 - alpha_prod) * (1 - alpha_prod / alpha_prod_prev);
  const float std_dev = static_cast<float>(options.eta) * std::sqrt(variance);
  const auto direction = std::sqrt(1 - alpha_prod_prev - std_dev * std_dev) * epsilon;
  const auto previous = std::sqrt(alpha_prod_prev) * x0 + direction;
  if (options.eta == 0) return previous;
  return previous + std_dev * draw_noise(options, model_output);
}

}  // namespace latentray
