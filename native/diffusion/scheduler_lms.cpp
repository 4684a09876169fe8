#include "diffusion/scheduler_lms.h"

#include <ATen/ATen.h>

#include <cmath>

namespace latentray {

namespace {

constexpr size_t kMostSlopes = 4;

}  // namespace

LmsScheduler::LmsScheduler(ConfigReader& config) {
  const auto schedule = NoiseScheduleOptions::from_config(config, {});
  sigma_spacing_ = read_sigma_spacing(config);
  prediction_type_ = read_prediction_type(config);
  timestep_spacing_ = read_timestep_spacing(config, "linspace");
  steps_offset_ = read_steps_offset(config);

  set_noise_schedule(schedule);
}

void LmsScheduler::plan(int64_t steps) {
  auto levels = plan_levels(steps);
  sigmas_.assign(levels.sigmas.begin(), levels.sigmas.end());
  sigmas_.push_back(0);
  timesteps_ = as_float32(std::move(levels.timesteps));
}

double LmsScheduler::weight(size_t index, size_t order, size_t age) const {
  const auto polynomial = [&](double sigma) {
    double product = 1;
    for (size_t k = 0; k < order; ++k) {
      if (k == age) continue;
      product *= (sigma - sigmas_[index - k]) / (sigmas_[index - age] - sigmas_[index - k]);
    }
    return product;
  };
  // Gauss's rule with two points is exact for the cubic that four slopes need.
  const double half = (static_cast<double>(sigmas_[index + 1]) - sigmas_[index]) / 2;
  const double middle = (static_cast<double>(sigmas_[index + 1]) + sigmas_[index]) / 2;
  const double offset = half / std::sqrt(3.0);
  return half * (polynomial(middle - offset) + polynomial(middle + offset));
}

at::Tensor LmsScheduler::advance(const at::Tensor& model_output, size_t index,
                                 const at::Tensor& sample, const StepOptions&) {
  const float sigma = sigmas_[index];
  const auto x0 = predict_x0_at_sigma(prediction_type_, model_output, sample, sigma);
  derivatives_.push_front((sample - x0) / sigma);
  if (derivatives_.size() > kMostSlopes) derivatives_.pop_back();

  // As many slopes as there are. The reference counts from the schedule's start, which weighs
  // slopes that an image-to-image run never took.
  const size_t order = derivatives_.size();
  at::Tensor change;
  for (size_t age = 0; age < order; ++age) {
    const auto term = weight(index, order, age) * derivatives_[age];
    change = age == 0 ? term : change + term;
  }
  return sample + change;
}

}  // namespace latentray
