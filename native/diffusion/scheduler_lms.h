// A linear multistep method of up to four slopes over unevenly spaced noise levels. Karras et al.'s
// reference code, sample_lms.
// Checked against diffusers' schedulers/scheduling_lms_discrete.py.
#pragma once

#include <deque>

#include "diffusion/variance_exploding.h"

namespace latentray {

class LmsScheduler final : public VarianceExplodingScheduler {
 public:
  explicit LmsScheduler(ConfigReader& config);

 protected:
  void plan(int64_t steps) override;
  void forget() override { derivatives_.clear(); }
  bool remembers() const override { return true; }
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  // The weight of the slope `age` levels back in a step from level `index` that uses `order`
  // slopes: the integral over the step of the polynomial that is 1 at that level and 0 at the
  // others.
  double weight(size_t index, size_t order, size_t age) const;

  std::deque<at::Tensor> derivatives_;  // newest first
};

}  // namespace latentray
