#include "diffusion/scheduler_pndm.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace latentray {

namespace {

constexpr size_t kCallsPerRungeKuttaStep = 4;
constexpr size_t kOutputsForMultistep = 4;

}  // namespace

PndmScheduler::PndmScheduler(ConfigReader& config) {
  const auto schedule = NoiseScheduleOptions::from_config(config, {});
  skip_prk_steps_ = config.boolean("skip_prk_steps", false);
  const bool set_alpha_to_one = config.boolean("set_alpha_to_one", false);
  prediction_type_ = read_prediction_type(config, {"epsilon", "v_prediction"});
  timestep_spacing_ = read_timestep_spacing(config, "leading");
  steps_offset_ = read_steps_offset(config);

  noise_schedule_ = NoiseSchedule(schedule);
  final_alpha_cumprod_ = set_alpha_to_one ? 1.0f : noise_schedule_.alpha_cumprod(0);
}

void PndmScheduler::plan(int64_t steps) {
  const int64_t total = noise_schedule_.num_train_timesteps();
  const auto spaced = rounded(spaced_timesteps(timestep_spacing_, steps_offset_, total, steps));
  stride_ = total / steps;
  runge_kutta_calls_ = 0;
  if (skip_prk_steps_) {
    // The second timestep comes twice: the first multistep step is corrected once.
    timesteps_ = spaced;
    if (spaced.size() > 1) timesteps_.insert(timesteps_.begin() + 1, spaced[1]);
  } else {
    LATENTRAY_CHECK(spaced.size() >= kOutputsForMultistep, "ERR_INVALID_ARG",
                    "steps: expected at least ", kOutputsForMultistep,
                    " for Runge-Kutta steps (skip_prk_steps is false), received ", steps);
    // Each of the first three steps calls the model at its start, twice half-way and at its end.
    for (size_t i = 0; i < kOutputsForMultistep - 1; ++i) {
      const double half_way = spaced[i + 1] + static_cast<double>(stride_ / 2);
      timesteps_.insert(timesteps_.end(), {spaced[i], half_way, half_way, spaced[i + 1]});
    }
    runge_kutta_calls_ = timesteps_.size();
    timesteps_.insert(timesteps_.end(), spaced.begin() + kOutputsForMultistep - 1, spaced.end());
  }
  require_training_timesteps();
}

void PndmScheduler::forget() {
  calls_ = 0;
  outputs_.clear();
  weighted_output_.reset();
  step_sample_.reset();
}

at::Tensor PndmScheduler::advance(const at::Tensor& model_output, size_t index,
                                  const at::Tensor& sample, const StepOptions&) {
  LATENTRAY_CHECK(calls_ > 0 || index == 0 || skip_prk_steps_, "ERR_INVALID_ARG",
                  "step: a run with Runge-Kutta steps (skip_prk_steps is false) starts at index 0, "
                  "received ",
                  index);
  auto previous = index < runge_kutta_calls_
                      ? advance_runge_kutta(model_output, index, sample)
                      : advance_multistep(model_output, timestep(index), sample);
  ++calls_;
  return previous;
}

at::Tensor PndmScheduler::advance_runge_kutta(const at::Tensor& model_output, size_t index,
                                              const at::Tensor& sample) {
  const size_t stage = index % kCallsPerRungeKuttaStep;
  const int64_t start = timestep(index - stage);
  const int64_t previous = stage % 2 == 1 ? timestep(index) : timestep(index) - stride_ / 2;
  if (stage == 0) {
    weighted_output_ = 1.0 / 6 * model_output;
    outputs_.push_back(model_output);
    step_sample_ = sample;
  } else if (stage < 3) {
    weighted_output_ = weighted_output_ + 1.0 / 3 * model_output;
  } else {
    return transfer(step_sample_, start, previous, weighted_output_ + 1.0 / 6 * model_output);
  }
  return transfer(step_sample_, start, previous, model_output);
}

at::Tensor PndmScheduler::advance_multistep(const at::Tensor& model_output, int64_t t,
                                            const at::Tensor& sample) {
  if (calls_ == 1) {
    // Back to where the first step began, now with the mean of the outputs at both its ends.
    return transfer(step_sample_, t + stride_, t, (model_output + outputs_.back()) / 2);
  }
  outputs_.push_back(model_output);
  if (outputs_.size() > kOutputsForMultistep) outputs_.pop_front();

  const auto& e = outputs_;
  at::Tensor output;
  switch (outputs_.size()) {
    case 1:
      output = model_output;
      step_sample_ = sample;
      break;
    case 2:
      output = (3 * e[1] - e[0]) / 2;
      break;
    case 3:
      output = (23 * e[2] - 16 * e[1] + 5 * e[0]) / 12;
      break;
    default:
      output = 1.0 / 24 * (55 * e[3] - 59 * e[2] + 37 * e[1] - 9 * e[0]);
  }
  return transfer(sample, t, t - stride_, output);
}

at::Tensor PndmScheduler::transfer(const at::Tensor& sample, int64_t t, int64_t previous,
                                   const at::Tensor& model_output) const {
  const float alpha_prod = noise_schedule_.alpha_cumprod(t);
  const float alpha_prod_prev =
      previous >= 0 ? noise_schedule_.alpha_cumprod(previous) : final_alpha_cumprod_;
  const float beta_prod = 1 - alpha_prod;
  const float beta_prod_prev = 1 - alpha_prod_prev;
  const auto epsilon = predict_epsilon(prediction_type_, model_output, sample,
                                       std::sqrt(alpha_prod), std::sqrt(beta_prod));
  const float denominator =
      alpha_prod * std::sqrt(beta_prod_prev) + std::sqrt(alpha_prod * beta_prod * alpha_prod_prev);
  return std::sqrt(alpha_prod_prev / alpha_prod) * sample -
         (alpha_prod_prev - alpha_prod) * epsilon / denominator;
}

}  // namespace latentray
