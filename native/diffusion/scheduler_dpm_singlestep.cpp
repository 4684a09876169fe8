#include "diffusion/scheduler_dpm_singlestep.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace latentray {

DpmSinglestepScheduler::DpmSinglestepScheduler(ConfigReader& config) {
  const auto schedule = NoiseScheduleOptions::from_config(config, {});
  solver_order_ = read_solver_order(config, kMostDpmOrders);
  prediction_type_ = read_prediction_type(config);
  limits_.read_thresholding(config);
  limits_.sample_max_value = config.number("sample_max_value", 1.0);
  solver_ = DpmSolver::from_config(config, {"dpmsolver", "dpmsolver++", "sde-dpmsolver++"});
  lower_order_final_ = config.boolean("lower_order_final", false);
  sigma_spacing_ = read_sigma_spacing(config);
  reject_flow_sigmas(config);
  final_sigma_ = read_final_sigma(config);
  lambda_min_ = read_lambda_min(config);
  learns_variance_ = read_learned_variance(config);
  reject_dynamic_shifting(config);

  require_reachable(config, solver_, final_sigma_);
  set_noise_schedule(schedule);
}

void DpmSinglestepScheduler::plan(int64_t steps) {
  plan_levels(
      interval_timesteps(TimestepSpacing::kLinspace, 0, noise_schedule_.num_train_timesteps(),
                         timesteps_above(lambda_min_), steps),
      steps);
  plan_orders();
}

void DpmSinglestepScheduler::plan_timesteps(const std::vector<double>& custom) {
  plan_custom(custom);
  plan_orders();
}

// Rounds of ascending order. The step that removes all noise is of order 1 (λ is infinite there),
// and so is the last step of a whole number of rounds on request.
void DpmSinglestepScheduler::plan_orders() {
  const size_t steps = timesteps_.size();
  orders_.clear();
  for (size_t i = 0; i < steps; ++i) orders_.push_back(i % solver_order_ + 1);
  const bool whole_rounds = steps % solver_order_ == 0;
  if (final_sigma_ == FinalSigma::kZero || (lower_order_final_ && whole_rounds)) orders_.back() = 1;
}

void DpmSinglestepScheduler::forget() {
  outputs_.clear();
  round_sample_.reset();
}

double DpmSinglestepScheduler::final_sigma(double) const {
  return final_sigma_ == FinalSigma::kZero ? 0 : table_.smallest();
}

DpmDifferences DpmSinglestepScheduler::differences(size_t index, size_t order) const {
  if (order == 1) return {.d0 = outputs_[0]};
  const float start = level(index + 1 - order).lambda;
  const float h = level(index + 1).lambda - start;
  const float r0 = (level(index).lambda - start) / h;
  if (order == 2) return {.d0 = outputs_[1], .d1 = 1 / r0 * (outputs_[0] - outputs_[1])};

  const float r1 = (level(index - 1).lambda - start) / h;
  const auto early = 1 / r1 * (outputs_[1] - outputs_[2]);
  const auto late = 1 / r0 * (outputs_[0] - outputs_[2]);
  if (!solver_.heun) return {.d0 = outputs_[2], .d1 = late, .exact_d1 = true};
  return {.d0 = outputs_[2],
          .d1 = (r0 * early - r1 * late) / (r0 - r1),
          .d2 = 2 * (late - early) / (r0 - r1),
          .exact_d1 = true};
}

at::Tensor DpmSinglestepScheduler::advance(const at::Tensor& model_output, size_t index,
                                           const at::Tensor& sample, const StepOptions& options) {
  outputs_.push_front(convert(solver_, limits_, model_output, index, sample));
  if (outputs_.size() > solver_order_) outputs_.pop_back();
  const auto noise = solver_.stochastic ? draw_noise(options, outputs_.front()) : at::Tensor();
  const size_t order = std::min(orders_[index], outputs_.size());
  if (order == 1) round_sample_ = sample;
  return dpm_solver_update(solver_, level(index + 1 - order), level(index + 1), round_sample_,
                           differences(index, order), noise);
}

}  // namespace latentray
