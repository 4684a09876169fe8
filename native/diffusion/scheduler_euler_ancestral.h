// Euler's method down to less noise than the next level has, and fresh noise up to it. Karras et
// al.'s reference code, sample_euler_ancestral. Checked against diffusers'
// schedulers/scheduling_euler_ancestral_discrete.py.
#pragma once

#include "diffusion/variance_exploding.h"

namespace latentray {

class EulerAncestralScheduler final : public VarianceExplodingScheduler {
 public:
  explicit EulerAncestralScheduler(ConfigReader& config);

 protected:
  void plan(int64_t steps) override;
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;
};

}  // namespace latentray
