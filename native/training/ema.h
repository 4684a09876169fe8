// A moving average of the weights, which samples better than the weights of any one step. Checked
// against diffusers' training_utils.py (EMAModel).
#pragma once

#include <optional>

#include "training/named_parameters.h"
#include "weights/state_dict.h"

namespace latentray {

struct EmaOptions {
  double decay = 0.9999;  // the most that is kept
  // Warm-up: 1 − (1 + n / inv_gamma)^−power where given, else (1 + n) / (10 + n).
  std::optional<double> inv_gamma;
  double power = 2.0 / 3.0;
};

class Ema {
 public:
  Ema(const EmaOptions& options, const NamedParameters& parameters);

  // After every step of the optimizer.
  void update();

  // Exchanges the weights and their average, and back.
  void swap();

  void save(StateDict& state, const std::string& prefix) const;
  // ERR_WEIGHTS_MISSING_KEY, ERR_WEIGHTS_SHAPE.
  void load(const StateDict& state, const std::string& prefix);

 private:
  double decay_at(int64_t update) const;

  EmaOptions options_;
  NamedParameters parameters_;
  std::vector<at::Tensor> average_;
  int64_t updates_ = 0;
};

}  // namespace latentray
