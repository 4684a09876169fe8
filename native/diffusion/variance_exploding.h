// The schedulers whose noisy sample is x0 + σ·ε ("variance exploding"): Euler, Heun, LMS, KDPM2.
// The model sees it divided by sqrt(σ² + 1). Karras et al., "Elucidating the Design Space of
// Diffusion-Based Generative Models" (2022).
#pragma once

#include <vector>

#include "diffusion/sigma_scheduler.h"

namespace latentray {

// A run's noise levels, without the final one.
struct NoiseLevels {
  std::vector<double> timesteps;
  std::vector<double> sigmas;
};

// An ancestral step from noise level `from` to `to`: down to `down` without noise, then up with
// noise of standard deviation `up`, where down² + up² = to².
struct AncestralStep {
  float down;
  float up;
};
AncestralStep ancestral_step(float from, float to);

// sqrt(a·b) by way of logarithms, as the reference rounds it.
float geometric_middle(float a, float b);

class VarianceExplodingScheduler : public SigmaScheduler {
 public:
  double init_noise_sigma() const override;

 protected:
  NoiseLevels plan_levels(int64_t steps) const;
  // Respaces the sigmas where the config says so; the timesteps follow.
  NoiseLevels plan_levels(std::vector<double> timesteps) const;
  // ERR_INVALID_ARG where the config spaces the sigmas itself.
  void require_no_sigma_spacing() const;

  at::Tensor scale(const at::Tensor& sample, size_t index) const override;
  at::Tensor scale_by(const at::Tensor& sample, float sigma) const;
  at::Tensor mix(const at::Tensor& original, const at::Tensor& noise,
                 const at::Tensor& sigma) const override;
};

}  // namespace latentray
