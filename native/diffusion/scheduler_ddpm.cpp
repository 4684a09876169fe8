#include "diffusion/scheduler_ddpm.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "diffusion/float32_math.h"

namespace latentray {

DdpmScheduler::DdpmScheduler(ConfigReader& config) {
  auto schedule = NoiseScheduleOptions::from_config(config, {}, {"laplace", "sigmoid"});
  const std::vector<std::string> variances{"fixed_small",     "fixed_small_log", "fixed_large",
                                           "fixed_large_log", "learned",         "learned_range"};
  const auto variance = config.choice("variance_type", "fixed_small", variances);
  variance_ = static_cast<Variance>(std::find(variances.begin(), variances.end(), variance) -
                                    variances.begin());
  limits_.clip_sample = config.boolean("clip_sample", true);
  prediction_type_ = read_prediction_type(config);
  limits_.read_thresholding(config);
  limits_.clip_sample_range = config.number("clip_sample_range", 1.0);
  limits_.sample_max_value = config.number("sample_max_value", 1.0);
  timestep_spacing_ = read_timestep_spacing(config, "leading");
  steps_offset_ = read_steps_offset(config);
  schedule.rescale_betas_zero_snr = config.boolean("rescale_betas_zero_snr", false);

  noise_schedule_ = NoiseSchedule(schedule);
}

void DdpmScheduler::plan(int64_t steps) {
  timesteps_ = rounded(spaced_timesteps(timestep_spacing_, steps_offset_,
                                        noise_schedule_.num_train_timesteps(), steps));
  require_training_timesteps();
}

void DdpmScheduler::plan_timesteps(const std::vector<double>& custom) {
  require_whole_timesteps(custom);
  timesteps_ = custom;
  require_training_timesteps();
}

bool DdpmScheduler::learns_variance() const {
  return variance_ == Variance::kLearned || variance_ == Variance::kLearnedRange;
}

at::Tensor DdpmScheduler::advance(const at::Tensor& model_output, size_t index,
                                  const at::Tensor& sample, const StepOptions& options) {
  at::Tensor output = model_output;
  at::Tensor predicted_variance;
  if (learns_variance()) {
    output = model_output.narrow(1, 0, sample.size(1));                           // [N, C, H, W]
    predicted_variance = model_output.narrow(1, sample.size(1), sample.size(1));  // [N, C, H, W]
  }
  const bool last = index + 1 == timesteps_.size();
  const float alpha_prod = noise_schedule_.alpha_cumprod(timestep(index));
  const float alpha_prod_prev = last ? 1 : noise_schedule_.alpha_cumprod(timestep(index + 1));
  const float alpha = alpha_prod / alpha_prod_prev;
  const float beta = 1 - alpha;

  const auto x0 = limits_.apply(predict_x0(prediction_type_, output, sample, std::sqrt(alpha_prod),
                                           std::sqrt(1 - alpha_prod)));
  const float x0_part = std::sqrt(alpha_prod_prev) * beta / (1 - alpha_prod);
  const float sample_part = std::sqrt(alpha) * (1 - alpha_prod_prev) / (1 - alpha_prod);
  const auto mean = x0_part * x0 + sample_part * sample;
  if (timestep(index) == 0) return mean;
  const float small = (1 - alpha_prod_prev) / (1 - alpha_prod) * beta;
  // The clamp keeps a logarithm finite.
  return mean +
         scaled(draw_noise(options, output), beta, std::max(small, 1e-20f), predicted_variance);
}

at::Tensor DdpmScheduler::scaled(const at::Tensor& noise, float beta, float small,
                                 const at::Tensor& predicted) const {
  switch (variance_) {
    case Variance::kFixedSmall:
      return std::sqrt(small) * noise;
    case Variance::kFixedSmallLog:
      return torch_exp(0.5f * torch_log(small)) * noise;
    case Variance::kFixedLarge:
      return std::sqrt(beta) * noise;
    case Variance::kFixedLargeLog:
      // The reference takes the square root of this negative logarithm, which is no number.
      return torch_exp(0.5f * torch_log(beta)) * noise;
    case Variance::kLearned:
      return predicted.sqrt() * noise;
    case Variance::kLearnedRange:
      break;
  }
  const auto upper_part = (predicted + 1) / 2;  // −1: the smallest variance, 1: the largest
  const auto log_variance = upper_part * torch_log(beta) + (1 - upper_part) * torch_log(small);
  return at::exp(0.5 * log_variance) * noise;
}

}  // namespace latentray
