// Trajectory consistency distillation: a jump along the trajectory to less noise than the next step
// has, then fresh noise up to it; eta says how much. Zheng et al., "Trajectory Consistency
// Distillation" (2024), algorithm 4. Checked against diffusers' schedulers/scheduling_tcd.py.
#pragma once

#include "diffusion/config_reader.h"
#include "diffusion/scheduler.h"

namespace latentray {

class TcdScheduler final : public Scheduler {
 public:
  explicit TcdScheduler(ConfigReader& config);

 protected:
  void plan(int64_t steps) override;
  void plan_timesteps(const std::vector<double>& custom) override;
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  int64_t original_inference_steps_;  // of the solver that the model was distilled from
};

}  // namespace latentray
