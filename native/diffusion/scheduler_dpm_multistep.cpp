#include "diffusion/scheduler_dpm_multistep.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace latentray {

namespace {

constexpr size_t kFewSteps = 15;  // below it, lower_order_final steadies the end of a run

}  // namespace

DpmMultistepScheduler::DpmMultistepScheduler(ConfigReader& config) {
  auto schedule = NoiseScheduleOptions::from_config(config, {});
  solver_order_ = read_solver_order(config, kMostDpmOrders);
  prediction_type_ = read_prediction_type(config);
  limits_.read_thresholding(config);
  limits_.sample_max_value = config.number("sample_max_value", 1.0);
  solver_ = DpmSolver::from_config(
      config, {"dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++"});
  lower_order_final_ = config.boolean("lower_order_final", true);
  euler_at_final_ = config.boolean("euler_at_final", false);
  sigma_spacing_ = read_sigma_spacing(config, /*with_lu=*/true);
  reject_flow_sigmas(config);
  final_sigma_ = read_final_sigma(config);
  lambda_min_ = read_lambda_min(config);
  learns_variance_ = read_learned_variance(config);
  timestep_spacing_ = read_timestep_spacing(config, "linspace");
  steps_offset_ = read_steps_offset(config);
  schedule.rescale_betas_zero_snr = config.boolean("rescale_betas_zero_snr", false);
  reject_dynamic_shifting(config);

  require_reachable(config, solver_, final_sigma_);
  if (!solver_.plus_plus && solver_.stochastic && solver_order_ > 2) {
    config.reject("solver_order", "1 or 2 for algorithm_type 'sde-dpmsolver'");
  }
  cosine_betas_ = schedule.beta_schedule == "squaredcos_cap_v2";
  set_noise_schedule(schedule);
}

void DpmMultistepScheduler::plan(int64_t steps) {
  const int64_t end = timesteps_above(lambda_min_);
  plan_levels(interval_timesteps(timestep_spacing_, steps_offset_,
                                 noise_schedule_.num_train_timesteps(), end, steps),
              steps);
}

void DpmMultistepScheduler::plan_timesteps(const std::vector<double>& custom) {
  plan_custom(custom);
}

bool DpmMultistepScheduler::rounds_timesteps() const {
  const bool rounds =
      sigma_spacing_ == SigmaSpacing::kKarras || sigma_spacing_ == SigmaSpacing::kLu;
  return rounds && !cosine_betas_;
}

double DpmMultistepScheduler::final_sigma(double) const {
  return final_sigma_ == FinalSigma::kZero ? 0 : table_.smallest();
}

size_t DpmMultistepScheduler::order_at(size_t index) const {
  const bool few = lower_order_final_ && timesteps_.size() < kFewSteps;
  const size_t left = timesteps_.size() - index;
  size_t most = solver_order_;
  if (left == 1 && (euler_at_final_ || few || final_sigma_ == FinalSigma::kZero)) most = 1;
  if (left == 2 && few) most = std::min<size_t>(most, 2);
  return std::min(most, outputs_.size());
}

DpmDifferences DpmMultistepScheduler::differences(size_t index, size_t order) const {
  DpmDifferences d{.d0 = outputs_[0]};
  if (order == 1) return d;
  const float h = level(index + 1).lambda - level(index).lambda;
  const float r0 = (level(index).lambda - level(index - 1).lambda) / h;
  d.d1 = 1 / r0 * (outputs_[0] - outputs_[1]);
  if (order == 2) return d;
  const float r1 = (level(index - 1).lambda - level(index - 2).lambda) / h;
  const auto newer = d.d1;
  const auto older = 1 / r1 * (outputs_[1] - outputs_[2]);
  d.d1 = newer + r0 / (r0 + r1) * (newer - older);
  d.d2 = 1 / (r0 + r1) * (newer - older);
  d.exact_d1 = true;
  return d;
}

at::Tensor DpmMultistepScheduler::advance(const at::Tensor& model_output, size_t index,
                                          const at::Tensor& sample, const StepOptions& options) {
  outputs_.push_front(convert(solver_, limits_, model_output, index, sample));
  if (outputs_.size() > solver_order_) outputs_.pop_back();
  const auto x = sample.to(at::kFloat);
  const auto noise = solver_.stochastic ? draw_noise(options, x) : at::Tensor();
  return dpm_solver_update(solver_, level(index), level(index + 1), x,
                           differences(index, order_at(index)), noise);
}

}  // namespace latentray
