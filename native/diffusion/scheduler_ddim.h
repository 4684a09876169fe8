// DDIM. Song et al., "Denoising Diffusion Implicit Models" (2021), formulas 12 and 16.
// Checked against diffusers' schedulers/scheduling_ddim.py.
#pragma once

#include "diffusion/config_reader.h"
#include "diffusion/scheduler.h"
#include "diffusion/timestep_spacing.h"

namespace latentray {

class DdimScheduler final : public Scheduler {
 public:
  explicit DdimScheduler(ConfigReader& config);

 protected:
  void plan(int64_t steps) override;
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  SampleLimits limits_;
  TimestepSpacing timestep_spacing_;
  int64_t steps_offset_;
  float final_alpha_cumprod_;  // ᾱ below timestep 0
  int64_t stride_ = 0;         // training timesteps per step of the run
};

}  // namespace latentray
