// DPM-Solver++ (2S, 3S) and DPM-Solver as singlestep methods: each round of up to three model calls
// starts anew from the sample where the round began. Lu et al., "DPM-Solver++: Fast Solver for
// Guided Sampling of Diffusion Probabilistic Models" (2022), algorithm 1. Checked against
// diffusers' schedulers/scheduling_dpmsolver_singlestep.py.
#pragma once

#include <deque>

#include "diffusion/dpm_solver.h"

namespace latentray {

class DpmSinglestepScheduler final : public DpmSolverScheduler {
 public:
  explicit DpmSinglestepScheduler(ConfigReader& config);

 protected:
  void plan(int64_t steps) override;
  void plan_timesteps(const std::vector<double>& custom) override;
  void forget() override;
  bool remembers() const override { return true; }
  bool learns_variance() const override { return learns_variance_; }
  double final_sigma(double last) const override;
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  void plan_orders();
  DpmDifferences differences(size_t index, size_t order) const;

  size_t solver_order_;
  SampleLimits limits_;
  DpmSolver solver_;
  bool lower_order_final_;  // ends on lower orders, so that any number of steps fits
  FinalSigma final_sigma_;
  double lambda_min_;
  bool learns_variance_;
  std::vector<size_t> orders_;      // one a timestep: 1, 2, 3, 1, 2, 3 …
  std::deque<at::Tensor> outputs_;  // converted, newest first, solver_order_ at most
  at::Tensor round_sample_;         // where the current round began
};

}  // namespace latentray
