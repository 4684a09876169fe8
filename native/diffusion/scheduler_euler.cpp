#include "diffusion/scheduler_euler.h"

#include <ATen/ATen.h>

#include "diffusion/float32_math.h"

namespace latentray {

EulerScheduler::EulerScheduler(ConfigReader& config) {
  auto schedule = NoiseScheduleOptions::from_config(config, {});
  prediction_type_ = read_prediction_type(config);
  log_linear_ =
      config.choice("interpolation_type", "linear", {"linear", "log_linear"}) == "log_linear";
  sigma_spacing_ = read_sigma_spacing(config);
  sigma_min_ = config.optional_number("sigma_min");
  sigma_max_ = config.optional_number("sigma_max");
  timestep_spacing_ = read_timestep_spacing(config, "linspace");
  const auto type = config.choice("timestep_type", "discrete", {"discrete", "continuous"});
  continuous_timesteps_ = type == "continuous" && prediction_type_ == PredictionType::kVPrediction;
  steps_offset_ = read_steps_offset(config);
  schedule.rescale_betas_zero_snr = config.boolean("rescale_betas_zero_snr", false);
  final_sigma_ = read_final_sigma(config);

  set_noise_schedule(schedule);
}

void EulerScheduler::plan(int64_t steps) { follow(plan_levels(steps)); }

void EulerScheduler::plan_timesteps(const std::vector<double>& custom) {
  require_no_sigma_spacing();
  LATENTRAY_CHECK(!continuous_timesteps_, "ERR_INVALID_ARG", class_name(),
                  ": the timesteps follow from the sigmas (timestep_type is 'continuous'); "
                  "expected a number of steps, or sigmas");
  follow(plan_levels(as_float32(custom)));
}

void EulerScheduler::plan_sigmas(const std::vector<double>& custom) {
  const auto sigmas = as_float32(custom);
  std::vector<double> timesteps;
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) timesteps.push_back(table_.timestep_of(sigmas[i]));
  set_levels(std::move(timesteps), sigmas);
}

void EulerScheduler::follow(NoiseLevels levels) {
  if (log_linear_ && sigma_spacing_ == SigmaSpacing::kTimesteps) {
    // One level more than there are steps, as in the reference: the final sigma is never reached.
    const auto logs = at::linspace(table_.log_sigmas().back(), table_.log_sigmas().front(),
                                   static_cast<int64_t>(levels.timesteps.size()) + 1, at::kFloat);
    const auto sigmas = logs.exp();
    const float* data = sigmas.const_data_ptr<float>();
    levels.sigmas.assign(data, data + sigmas.numel());
  }
  levels.sigmas.push_back(final_sigma_ == FinalSigma::kZero ? 0 : table_.smallest());
  set_levels(std::move(levels.timesteps), levels.sigmas);
}

void EulerScheduler::set_levels(std::vector<double> timesteps, const std::vector<double>& sigmas) {
  sigmas_.assign(sigmas.begin(), sigmas.end());
  timesteps_ = as_float32(std::move(timesteps));
  if (!continuous_timesteps_) return;
  for (size_t i = 0; i < timesteps_.size(); ++i) timesteps_[i] = 0.25f * torch_log(sigmas_[i]);
}

at::Tensor EulerScheduler::advance(const at::Tensor& model_output, size_t index,
                                   const at::Tensor& sample, const StepOptions&) {
  const float sigma = sigmas_[index];
  const auto x = sample.to(at::kFloat);
  const auto x0 = predict_x0_at_sigma(prediction_type_, model_output, x, sigma);
  const auto derivative = (x - x0) / sigma;
  return x + derivative * (sigmas_[index + 1] - sigma);
}

}  // namespace latentray
