// Classifier-free guidance. Ho and Salimans, "Classifier-Free Diffusion Guidance" (2022); the
// rescaling is Lin et al., "Common Diffusion Noise Schedules and Sample Steps Are Flawed" (2023),
// section 3.4; the interval is Kynkäänniemi et al., "Applying Guidance in a Limited Interval
// Improves Sample and Distribution Quality in Diffusion Models" (2024).
#pragma once

#include <ATen/core/Tensor.h>

#include "diffusion/step_interval.h"

namespace latentray {

struct Guidance {
  double scale = 7.5;    // above 1 guides; 1 and below runs the prompt alone
  double rescale = 0.0;  // 0 … 1: how far the result is brought back to the prompt's own contrast
  StepInterval interval;  // outside of it the prompt runs alone

  bool enabled() const { return scale > 1; }
};

// unconditional, conditional [N, C, H, W] → the guided prediction.
at::Tensor guide(const at::Tensor& unconditional, const at::Tensor& conditional,
                 const Guidance& guidance);

// The scale as networks take it that were distilled to guide themselves (`time_cond_proj_dim`): a
// float32 row [1, dim]. Luo et al., "Latent Consistency Models" (2023), section 4.1.
at::Tensor guidance_embedding(double scale, int64_t dim);

}  // namespace latentray
