// DDPM, ancestral sampling with fixed or learned variance. Ho et al., "Denoising Diffusion
// Probabilistic Models" (2020), formulas 6, 7 and 15; Nichol & Dhariwal, "Improved Denoising
// Diffusion Probabilistic Models" (2021), formula 15, for the learned range. Checked against
// diffusers' schedulers/scheduling_ddpm.py.
#pragma once

#include "diffusion/config_reader.h"
#include "diffusion/scheduler.h"
#include "diffusion/timestep_spacing.h"

namespace latentray {

class DdpmScheduler final : public Scheduler {
 public:
  explicit DdpmScheduler(ConfigReader& config);

 protected:
  void plan(int64_t steps) override;
  void plan_timesteps(const std::vector<double>& custom) override;
  bool learns_variance() const override;
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  enum class Variance {
    kFixedSmall,
    kFixedSmallLog,
    kFixedLarge,
    kFixedLargeLog,
    kLearned,
    kLearnedRange
  };

  // `noise` times the step's standard deviation. beta: of the step; small: the posterior's
  // variance; predicted [N, C, H, W]: the model's second half, defined where the variance is
  // learned.
  at::Tensor scaled(const at::Tensor& noise, float beta, float small,
                    const at::Tensor& predicted) const;

  Variance variance_;
  SampleLimits limits_;
  TimestepSpacing timestep_spacing_;
  int64_t steps_offset_;
};

}  // namespace latentray
