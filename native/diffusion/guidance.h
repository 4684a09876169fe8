// Classifier-free guidance. Ho and Salimans, "Classifier-Free Diffusion Guidance" (2022); the
// rescaling is Lin et al., "Common Diffusion Noise Schedules and Sample Steps Are Flawed" (2023),
// section 3.4.
#pragma once

#include <ATen/core/Tensor.h>

namespace latentray {

struct Guidance {
  double scale = 7.5;    // above 1 guides; 1 and below runs the prompt alone
  double rescale = 0.0;  // 0 … 1: how far the result is brought back to the prompt's own contrast

  bool enabled() const { return scale > 1; }
};

// unconditional, conditional [N, C, H, W] → the guided prediction.
at::Tensor guide(const at::Tensor& unconditional, const at::Tensor& conditional,
                 const Guidance& guidance);

}  // namespace latentray
