// Euler's method for the probability flow ODE. Karras et al., "Elucidating the Design Space of
// Diffusion-Based Generative Models" (2022), algorithm 2 without its correction and churn.
// Checked against diffusers' schedulers/scheduling_euler_discrete.py.
#pragma once

#include "diffusion/variance_exploding.h"

namespace latentray {

class EulerScheduler final : public VarianceExplodingScheduler {
 public:
  explicit EulerScheduler(ConfigReader& config);

 protected:
  void plan(int64_t steps) override;
  void plan_timesteps(const std::vector<double>& custom) override;
  void plan_sigmas(const std::vector<double>& custom) override;
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  void follow(NoiseLevels levels);
  void set_levels(std::vector<double> timesteps, const std::vector<double>& sigmas);

  bool log_linear_;            // sigmas even in log σ over all of training, whatever the timesteps
  bool continuous_timesteps_;  // the model sees ¼ log σ
  FinalSigma final_sigma_;
};

}  // namespace latentray
