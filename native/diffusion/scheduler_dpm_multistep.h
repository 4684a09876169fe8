// DPM-Solver++ (2M, 3M, and the SDE variants), and DPM-Solver, as multistep methods. Lu et al.,
// "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models" (2022),
// algorithm 2. Checked against diffusers' schedulers/scheduling_dpmsolver_multistep.py.
#pragma once

#include <deque>

#include "diffusion/dpm_solver.h"

namespace latentray {

class DpmMultistepScheduler final : public DpmSolverScheduler {
 public:
  explicit DpmMultistepScheduler(ConfigReader& config);

 protected:
  void plan(int64_t steps) override;
  void plan_timesteps(const std::vector<double>& custom) override;
  void forget() override { outputs_.clear(); }
  bool remembers() const override { return true; }
  bool learns_variance() const override { return learns_variance_; }
  bool rounds_timesteps() const override;
  double final_sigma(double last) const override;
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  // The order of the step at `index`, with as many outputs remembered as there are.
  size_t order_at(size_t index) const;
  DpmDifferences differences(size_t index, size_t order) const;

  size_t solver_order_;
  SampleLimits limits_;
  DpmSolver solver_;
  bool lower_order_final_;  // lowers the order of the last two steps of a run of fewer than 15
  bool euler_at_final_;     // takes the last step of any run by the first order
  FinalSigma final_sigma_;
  double lambda_min_;
  bool learns_variance_;
  bool cosine_betas_;
  std::deque<at::Tensor> outputs_;  // converted, newest first, solver_order_ at most
};

}  // namespace latentray
