// Noise levels σ = sqrt((1 − ᾱ) / ᾱ) of the training timesteps, and the ways to space those of a
// run. Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models" (2022),
// equation 5; Lu et al., "DPM-Solver++" (2022); Lee et al., "Beta Sampling is All You Need" (2024).
// Checked against diffusers' schedulers (_convert_to_karras and its siblings, _sigma_to_t).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "diffusion/config_reader.h"
#include "diffusion/noise_schedule.h"

namespace latentray {

// The σ of every training timestep, ascending, in float32.
class SigmaTable {
 public:
  SigmaTable() = default;
  // ERR_CONFIG_INVALID when a timestep keeps no signal at all, so that its σ would be infinite.
  explicit SigmaTable(const NoiseSchedule& schedule);

  const std::vector<float>& sigmas() const { return sigmas_; }
  const std::vector<float>& log_sigmas() const { return log_sigmas_; }
  float smallest() const { return sigmas_.front(); }
  float largest() const { return sigmas_.back(); }

  // Linear in σ between whole timesteps.
  double sigma_at(double timestep) const;
  // Linear in log σ between whole timesteps.
  double timestep_of(double sigma) const;
  // The same in float32 throughout, which leaves four digits after the point: as the reference
  // finds the timesteps of levels between two others.
  float timestep_in_float32(float sigma) const;

 private:
  template <class Real>
  Real timestep_of_log_sigma(Real log_sigma) const;

  std::vector<float> sigmas_;
  std::vector<float> log_sigmas_;
};

enum class SigmaSpacing {
  kTimesteps,    // those of the run's timesteps
  kKarras,       // even in σ^(1/7)
  kExponential,  // even in log σ
  kBeta,         // quantiles of the distribution Beta(0.6, 0.6)
  kLu,           // even in log σ between the float32 logarithms of the ends
};

// Keys `use_karras_sigmas`, `use_exponential_sigmas`, `use_beta_sigmas`, and `use_lu_lambdas` where
// the class has it. At most one may be true.
SigmaSpacing read_sigma_spacing(ConfigReader& config, bool with_lu = false);

// n noise levels from `largest` down to `smallest`; not for kTimesteps.
std::vector<double> spaced_sigmas(SigmaSpacing spacing, double smallest, double largest, int64_t n);

// What follows a run's last noise level: none, or the smallest of training. Key
// `final_sigmas_type`.
enum class FinalSigma { kZero, kSmallest };
FinalSigma read_final_sigma(ConfigReader& config);

}  // namespace latentray
