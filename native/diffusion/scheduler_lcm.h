// The multistep sampler of latent consistency models: a whole jump to x0 at each step, then fresh
// noise. Luo et al., "Latent Consistency Models" (2023), algorithm 3. Checked against diffusers'
// schedulers/scheduling_lcm.py.
#pragma once

#include "diffusion/config_reader.h"
#include "diffusion/scheduler.h"

namespace latentray {

class LcmScheduler final : public Scheduler {
 public:
  explicit LcmScheduler(ConfigReader& config);

 protected:
  void plan(int64_t steps) override;
  void plan_timesteps(const std::vector<double>& custom) override;
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  int64_t original_inference_steps_;  // of the solver that the model was distilled from
  SampleLimits limits_;
  double timestep_scaling_;  // how fast the model's share of the output grows with t
};

}  // namespace latentray
