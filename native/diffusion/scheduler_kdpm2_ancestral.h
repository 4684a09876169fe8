// KDPM2 with ancestral noise: the slope at the geometric middle of a noise level and the one below
// the next, then fresh noise. Karras et al.'s reference code, sample_dpm_2_ancestral. Checked
// against diffusers' schedulers/scheduling_k_dpm_2_ancestral_discrete.py.
#pragma once

#include "diffusion/variance_exploding.h"

namespace latentray {

class Kdpm2AncestralScheduler final : public VarianceExplodingScheduler {
 public:
  explicit Kdpm2AncestralScheduler(ConfigReader& config);

  int64_t order() const override { return 2; }

 protected:
  void plan(int64_t steps) override;
  void forget() override { step_sample_.reset(); }
  bool remembers() const override { return true; }
  at::Tensor scale(const at::Tensor& sample, size_t index) const override;
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  // All but the last step, which goes to σ = 0 at once.
  std::vector<float> middles_;  // what the model sees at odd indices
  std::vector<AncestralStep> ancestral_;
  at::Tensor step_sample_;  // where the current step began
};

}  // namespace latentray
