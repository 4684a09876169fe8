// What the multistep and the singlestep DPM-Solver have in common. Their update: the new sample is
// a weighted sum of the old one, of differences D0, D1, D2 of model outputs, and of noise. Lu et
// al., "DPM-Solver" (2022), section 3 and appendix B; Lu et al., "DPM-Solver++" (2022), algorithms
// 1 and 2, and appendix D for the stochastic ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "diffusion/config_reader.h"
#include "diffusion/variance_preserving.h"

namespace latentray {

struct DpmSolver {
  bool plus_plus = true;    // in terms of x0, else of ε
  bool stochastic = false;  // solves the reverse SDE, else the probability flow ODE
  bool heun = false;        // how the second-order term is weighed, else by the midpoint rule

  // Keys `algorithm_type` and `solver_type`. `allowed`: the class's algorithms.
  static DpmSolver from_config(ConfigReader& config, const std::vector<std::string>& allowed);
};

// Slope of the model outputs over λ; D1 and D2 are undefined below order 2 and 3.
struct DpmDifferences {
  at::Tensor d0;
  at::Tensor d1 = {};
  at::Tensor d2 = {};
  bool exact_d1 = false;  // weigh D1 as in Heun's form whatever the solver type (third order)
};

// From level `from` to level `to`. All tensors [N, C, H, W]; `noise` for stochastic solvers only.
at::Tensor dpm_solver_update(const DpmSolver& solver, const LogSnrLevel& from,
                             const LogSnrLevel& to, const at::Tensor& sample,
                             const DpmDifferences& differences, const at::Tensor& noise);

class DpmSolverScheduler : public VariancePreservingScheduler {
 protected:
  static constexpr int64_t kMostDpmOrders = 3;

  // Key `lambda_min_clipped`: training timesteps with more noise than this log α − log σ are
  // skipped.
  static double read_lambda_min(ConfigReader& config);
  // Key `variance_type`: whether the model predicts a variance, of which the solvers make no use.
  static bool read_learned_variance(ConfigReader& config);
  // A solver in terms of ε cannot end without noise.
  static void require_reachable(const ConfigReader& config, const DpmSolver& solver,
                                FinalSigma final_sigma);

  // One past the last training timestep that `lambda_min` leaves.
  int64_t timesteps_above(double lambda_min) const;
  // x0 or ε, whichever the solver works in.
  at::Tensor convert(const DpmSolver& solver, const SampleLimits& limits,
                     const at::Tensor& model_output, size_t index, const at::Tensor& sample) const;
};

}  // namespace latentray
