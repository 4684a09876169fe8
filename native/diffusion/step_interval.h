// A part of a run: what guidance and control are limited to.
#pragma once

#include <cstddef>

namespace latentray {

// Fractions of the run's steps. A step belongs to it when all of it lies inside, as diffusers
// decides for `control_guidance_start` and `control_guidance_end`.
struct StepInterval {
  double start = 0;
  double end = 1;

  // `step` of `steps`, from 0.
  bool contains(size_t step, size_t steps) const {
    const auto count = static_cast<double>(steps);
    return static_cast<double>(step) / count >= start &&
           static_cast<double>(step + 1) / count <= end;
  }
};

}  // namespace latentray
