// The schedulers whose noisy sample is α·x0 + σ̂·ε with α² + σ̂² = 1 ("variance preserving") and
// whose solvers work in λ = log(α / σ̂): DPM-Solver, DEIS, UniPC. Lu et al., "DPM-Solver: A Fast ODE
// Solver for Diffusion Probabilistic Model Sampling in Around 10 Steps" (2022).
#pragma once

#include <vector>

#include "diffusion/sigma_scheduler.h"

namespace latentray {

struct LogSnrLevel {
  float alpha;
  float sigma;
  float lambda;  // log α − log σ; infinite where no noise is left
};

class VariancePreservingScheduler : public SigmaScheduler {
 protected:
  // Key `solver_order`.
  static size_t read_solver_order(ConfigReader& config, int64_t most);
  // The keys that only flow-matching models use; diffusers declares them in two places.
  static void reject_flow_sigmas(ConfigReader& config);
  static void reject_dynamic_shifting(ConfigReader& config);

  // Whether the timesteps of respaced sigmas are rounded; else the fraction is cut off.
  virtual bool rounds_timesteps() const { return sigma_spacing_ == SigmaSpacing::kKarras; }
  // What follows the run's last sigma.
  virtual double final_sigma(double last) const = 0;

  // Plans a run over whole timesteps, which make way for those of respaced sigmas.
  void plan_levels(std::vector<double> timesteps, int64_t steps);
  std::vector<double> whole_timesteps(int64_t steps) const;
  // ERR_INVALID_ARG where the config spaces the sigmas itself.
  void plan_custom(const std::vector<double>& custom);

  const LogSnrLevel& level(size_t index) const { return levels_[index]; }
  at::Tensor x0(const at::Tensor& model_output, size_t index, const at::Tensor& sample) const;
  at::Tensor epsilon(const at::Tensor& model_output, size_t index, const at::Tensor& sample) const;

  at::Tensor mix(const at::Tensor& original, const at::Tensor& noise,
                 const at::Tensor& sigma) const override;

 private:
  std::vector<LogSnrLevel> levels_;  // one a sigma
};

}  // namespace latentray
