// DPM-Solver-2 in Karras et al.'s formulation: the slope at the geometric middle of two noise
// levels. Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models"
// (2022), algorithm 2. Checked against diffusers' schedulers/scheduling_k_dpm_2_discrete.py.
#pragma once

#include "diffusion/variance_exploding.h"

namespace latentray {

class Kdpm2Scheduler final : public VarianceExplodingScheduler {
 public:
  explicit Kdpm2Scheduler(ConfigReader& config);

  int64_t order() const override { return 2; }

 protected:
  void plan(int64_t steps) override;
  void forget() override { step_sample_.reset(); }
  bool remembers() const override { return true; }
  at::Tensor scale(const at::Tensor& sample, size_t index) const override;
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  // What the model sees at odd indices: the middle of a step.
  float middle_of_step(size_t index) const { return middles_[index / 2]; }

  std::vector<float> middles_;  // one a step but for the last
  at::Tensor step_sample_;      // where the current step began
};

}  // namespace latentray
