// What the schedulers that number their noise levels by σ have in common: the training table, the
// run's levels, and finding the level of a timestep.
#pragma once

#include <vector>

#include "diffusion/scheduler.h"
#include "diffusion/sigma_schedule.h"
#include "diffusion/timestep_spacing.h"

namespace latentray {

class SigmaScheduler : public Scheduler {
 public:
  std::vector<double> sigmas() const override { return {sigmas_.begin(), sigmas_.end()}; }

 protected:
  void set_noise_schedule(const NoiseScheduleOptions& options);

  // `original` and `noise` mixed at noise levels sigma [N, 1, …] of original's dtype.
  virtual at::Tensor mix(const at::Tensor& original, const at::Tensor& noise,
                         const at::Tensor& sigma) const = 0;

  at::Tensor noise_to(const at::Tensor& original, const at::Tensor& noise,
                      const std::vector<double>& timesteps) const override;
  at::Tensor noise_to_index(const at::Tensor& original, const at::Tensor& noise,
                            size_t index) const override;

  SigmaTable table_;
  TimestepSpacing timestep_spacing_ = TimestepSpacing::kLinspace;
  int64_t steps_offset_ = 0;
  SigmaSpacing sigma_spacing_ = SigmaSpacing::kTimesteps;
  // Bounds for the spaced sigmas, where the class has the keys; else those of the run or of
  // training.
  std::optional<double> sigma_min_;
  std::optional<double> sigma_max_;
  std::vector<float> sigmas_;  // one a timestep and the final one

 private:
  float sigma_of(double timestep) const;
};

}  // namespace latentray
