// Heun's second-order method: an Euler step, a second model call at its end, and the mean of both
// slopes. Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models"
// (2022), algorithm 1. Checked against diffusers' schedulers/scheduling_heun_discrete.py.
#pragma once

#include "diffusion/variance_exploding.h"

namespace latentray {

class HeunScheduler final : public VarianceExplodingScheduler {
 public:
  explicit HeunScheduler(ConfigReader& config);

  int64_t order() const override { return 2; }

 protected:
  void plan(int64_t steps) override;
  void plan_timesteps(const std::vector<double>& custom) override;
  void forget() override;
  bool remembers() const override { return true; }
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  void follow(const NoiseLevels& levels);

  SampleLimits limits_;
  at::Tensor step_sample_;      // where the current step began
  at::Tensor step_derivative_;  // the slope there
};

}  // namespace latentray
