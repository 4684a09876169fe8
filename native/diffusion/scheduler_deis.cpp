#include "diffusion/scheduler_deis.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "diffusion/float32_math.h"

namespace latentray {

namespace {

constexpr int64_t kMostDeisOrders = 3;
constexpr size_t kFewDeisSteps = 15;  // below it, lower_order_final steadies the end of a run

// A noise level's ρ with its logarithm.
struct Rho {
  explicit Rho(const LogSnrLevel& level)
      : value(level.sigma / level.alpha),
        log(static_cast<float>(std::log(static_cast<double>(value)))) {}

  float value;
  float log;
};

// Antiderivatives in ρ, at t, of the polynomial in log ρ that is 1 at b and 0 at c (and d).
float antiderivative(const Rho& t, const Rho& b, const Rho& c) {
  return t.value * (-c.log + t.log - 1) / (b.log - c.log);
}

float antiderivative(const Rho& t, const Rho& b, const Rho& c, const Rho& d) {
  const float numerator = t.value * (c.log * (d.log - t.log + 1) - d.log * t.log + d.log +
                                     t.log * t.log - 2 * t.log + 2);
  return numerator / ((b.log - c.log) * (b.log - d.log));
}

}  // namespace

DeisScheduler::DeisScheduler(ConfigReader& config) {
  const auto schedule = NoiseScheduleOptions::from_config(config, {});
  solver_order_ = read_solver_order(config, kMostDeisOrders);
  prediction_type_ = read_prediction_type(config);
  limits_.read_thresholding(config);
  limits_.sample_max_value = config.number("sample_max_value", 1.0);
  config.choice("algorithm_type", "deis", {"deis"},
                {{"dpmsolver", "deis"}, {"dpmsolver++", "deis"}});
  config.choice("solver_type", "logrho", {"logrho"},
                {{"midpoint", "logrho"}, {"heun", "logrho"}, {"bh1", "logrho"}, {"bh2", "logrho"}});
  lower_order_final_ = config.boolean("lower_order_final", true);
  sigma_spacing_ = read_sigma_spacing(config);
  reject_flow_sigmas(config);
  timestep_spacing_ = read_timestep_spacing(config, "linspace");
  steps_offset_ = read_steps_offset(config);
  reject_dynamic_shifting(config);

  set_noise_schedule(schedule);
}

void DeisScheduler::plan(int64_t steps) { plan_levels(whole_timesteps(steps), steps); }

double DeisScheduler::final_sigma(double last) const {
  return sigma_spacing_ == SigmaSpacing::kTimesteps ? table_.smallest() : last;
}

size_t DeisScheduler::order_at(size_t index) const {
  const size_t left = timesteps_.size() - index;
  size_t most = solver_order_;
  if (lower_order_final_ && timesteps_.size() < kFewDeisSteps) most = std::min(most, left);
  return std::min(most, outputs_.size());
}

at::Tensor DeisScheduler::first_order(size_t index, const at::Tensor& sample) const {
  const auto& from = level(index);
  const auto& to = level(index + 1);
  const float h = to.lambda - from.lambda;
  return to.alpha / from.alpha * sample - to.sigma * (torch_exp(h) - 1) * outputs_[0];
}

at::Tensor DeisScheduler::higher_order(size_t index, size_t order, const at::Tensor& sample) const {
  const Rho t(level(index + 1));
  const Rho s0(level(index));
  const Rho s1(level(index - 1));
  const float alpha_t = level(index + 1).alpha;
  const auto start = sample / level(index).alpha;
  if (order == 2) {
    const float c0 = antiderivative(t, s0, s1) - antiderivative(s0, s0, s1);
    const float c1 = antiderivative(t, s1, s0) - antiderivative(s0, s1, s0);
    return alpha_t * (start + c0 * outputs_[0] + c1 * outputs_[1]);
  }
  const Rho s2(level(index - 2));
  const float c0 = antiderivative(t, s0, s1, s2) - antiderivative(s0, s0, s1, s2);
  const float c1 = antiderivative(t, s1, s2, s0) - antiderivative(s0, s1, s2, s0);
  const float c2 = antiderivative(t, s2, s0, s1) - antiderivative(s0, s2, s0, s1);
  return alpha_t * (start + c0 * outputs_[0] + c1 * outputs_[1] + c2 * outputs_[2]);
}

at::Tensor DeisScheduler::advance(const at::Tensor& model_output, size_t index,
                                  const at::Tensor& sample, const StepOptions&) {
  const auto clean = limits_.apply(x0(model_output, index, sample));
  outputs_.push_front(predict_epsilon(PredictionType::kSample, clean, sample, level(index).alpha,
                                      level(index).sigma));
  if (outputs_.size() > solver_order_) outputs_.pop_back();
  const size_t order = order_at(index);
  return order == 1 ? first_order(index, sample) : higher_order(index, order, sample);
}

}  // namespace latentray
