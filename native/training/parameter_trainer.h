// Changes parameters by the gradients of one step after the other: a step is one or more backward
// passes, then one update.
#pragma once

#include <memory>
#include <optional>

#include "training/data_parallel.h"
#include "training/ema.h"
#include "training/loss_scaler.h"
#include "training/optimizer.h"

namespace latentray {

struct ParameterTrainerOptions {
  OptimizerOptions optimizer;
  std::optional<double> max_grad_norm;
  std::optional<EmaOptions> ema;
  at::ScalarType precision = at::kFloat;  // float16 scales losses
  std::shared_ptr<ProcessGroup> group;    // or none
};

struct ParameterUpdate {
  double gradient_norm = 0;  // before clipping
  bool skipped = false;      // float16: a gradient overflowed
  double loss_scale = 1;
};

class ParameterTrainer {
 public:
  // The parameters are float32 on one device. ERR_PROCESS_GROUP where they differ between ranks.
  ParameterTrainer(const NamedParameters& parameters, const ParameterTrainerOptions& options);

  // Whether a step of `micro_steps` backward passes has room for one. ERR_INVALID_ARG otherwise, or
  // while the averaged weights are in use.
  void check_pass(int64_t step, int64_t micro_steps) const;

  // Around each backward pass. Returns what its loss is multiplied by.
  double begin_pass(int64_t step, int64_t micro_steps);
  void end_pass();

  // Whether a loss that is not finite only skips the step.
  bool skips_overflows() const { return scaler_ != nullptr; }

  // Ends a step. ERR_NON_FINITE for gradients that are not finite, unless they skip the step.
  ParameterUpdate update(double learning_rate);

  // Drops what the step has so far.
  void forget();

  // The averaged weights in the parameters, or their own again. ERR_INVALID_ARG without EMA.
  void use_average(bool average);

  // Everything that changes. The averaged weights must not be in use. The state of other options
  // (ERR_WEIGHTS_…) changes nothing.
  StateDict state() const;
  void load_state(const StateDict& state);

  const NamedParameters& parameters() const { return parameters_; }

 private:
  void require_own_weights() const;
  void require_state_of_these_options(const StateDict& other) const;

  NamedParameters parameters_;
  ParameterTrainerOptions options_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Ema> ema_;
  std::unique_ptr<LossScaler> scaler_;          // float16
  std::unique_ptr<GradientAverager> averager_;  // several processes

  int64_t step_ = 0;
  int64_t passes_ = 0;  // of the step that is going on
  int64_t micro_steps_ = 0;
  bool average_in_use_ = false;
};

}  // namespace latentray
