// Losses are scaled up in float16, so that small gradients do not vanish, and the scale follows
// what overflows. Micikevicius et al., "Mixed Precision Training" (2018); checked against
// torch/amp/grad_scaler.py.
#pragma once

#include "training/named_parameters.h"
#include "weights/state_dict.h"

namespace latentray {

class LossScaler {
 public:
  explicit LossScaler(at::Device device);

  double scale() const;

  // Divides the gradients by the scale. False where one is not finite: skip the step.
  bool unscale(const NamedParameters& parameters);

  // After every step, with what unscale() said: half the scale after an overflow, twice after 2000
  // steps without one.
  void update(bool finite);

  void save(StateDict& state, const std::string& prefix) const;
  void load(const StateDict& state, const std::string& prefix);

 private:
  at::Tensor scale_;           // float32
  at::Tensor growth_tracker_;  // int32: steps since the last change
};

// Whether every gradient is finite.
bool gradients_are_finite(const NamedParameters& parameters);

}  // namespace latentray
