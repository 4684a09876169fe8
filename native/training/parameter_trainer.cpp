#include "training/parameter_trainer.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "training/trainer_state.h"

namespace latentray {

namespace {

constexpr const char* kModel = "model.";
constexpr const char* kOptimizer = "optimizer.";
constexpr const char* kOptimizerName = "optimizer";
constexpr const char* kEma = "ema.";
constexpr const char* kLossScaler = "loss_scaler.";

}  // namespace

ParameterTrainer::ParameterTrainer(const NamedParameters& parameters,
                                   const ParameterTrainerOptions& options)
    : parameters_(parameters),
      options_(options),
      optimizer_(make_optimizer(options.optimizer, parameters)) {
  if (options_.ema) ema_ = std::make_unique<Ema>(*options_.ema, parameters_);
  if (options_.precision == at::kHalf) {
    scaler_ = std::make_unique<LossScaler>(parameters_.front().second.device());
  }
  if (!options_.group || options_.group->world_size() == 1) return;
  require_equal_parameters(*options_.group, parameters_);
  averager_ = std::make_unique<GradientAverager>(options_.group, parameters_);
}

void ParameterTrainer::require_own_weights() const {
  LATENTRAY_CHECK(!average_in_use_, "ERR_INVALID_ARG",
                  "the averaged weights are in the model: put its own back first");
}

void ParameterTrainer::check_pass(int64_t step, int64_t micro_steps) const {
  require_own_weights();
  LATENTRAY_CHECK(passes_ < micro_steps, "ERR_INVALID_ARG", "step ", step, " has its ", passes_,
                  " micro batches: update() ends it");
}

double ParameterTrainer::begin_pass(int64_t step, int64_t micro_steps) {
  check_pass(step, micro_steps);
  step_ = step;
  micro_steps_ = micro_steps;
  if (averager_ && passes_ + 1 == micro_steps) averager_->begin();
  return (scaler_ ? scaler_->scale() : 1.0) / static_cast<double>(micro_steps);
}

void ParameterTrainer::end_pass() { ++passes_; }

ParameterUpdate ParameterTrainer::update(double learning_rate) {
  LATENTRAY_CHECK(passes_ > 0 && passes_ == micro_steps_, "ERR_INVALID_ARG",
                  "update: expected all of the step's micro batches first; found ", passes_);
  if (averager_) averager_->finish();
  ParameterUpdate result;
  if (scaler_) result.loss_scale = scaler_->scale();
  const bool finite = scaler_ ? scaler_->unscale(parameters_) : gradients_are_finite(parameters_);
  if (scaler_) scaler_->update(finite);
  if (finite) {
    result.gradient_norm = clip_gradients(parameters_, options_.max_grad_norm);
    optimizer_->step(learning_rate);
    if (ema_) ema_->update();
  }
  forget();
  result.skipped = !finite;
  if (finite || scaler_) return result;
  throw Error(
      "ERR_NON_FINITE",
      c10::str("step ", step_, ": a gradient is not a finite number. Lower the learning rate"),
      {{"step", std::to_string(step_)}});
}

void ParameterTrainer::forget() {
  forget_gradients(parameters_);
  passes_ = 0;
}

void ParameterTrainer::use_average(bool average) {
  LATENTRAY_CHECK(ema_, "ERR_INVALID_ARG", "this trainer keeps no average: create it with `ema`");
  if (average == average_in_use_) return;
  ema_->swap();
  average_in_use_ = average;
}

StateDict ParameterTrainer::state() const {
  require_own_weights();
  StateDict state;
  save_parameters(state, kModel, parameters_);
  optimizer_->save(state, kOptimizer);
  state.metadata[kOptimizerName] = options_.optimizer.name;
  if (ema_) ema_->save(state, kEma);
  if (scaler_) scaler_->save(state, kLossScaler);
  return state;
}

void ParameterTrainer::require_state_of_these_options(const StateDict& other) const {
  const StateDict own = state();
  for (const auto& [key, tensor] : own.tensors) {
    // An optimizer has no tensors before its first step.
    if (!key.starts_with(kOptimizer)) tensor_of(other, key, tensor.sizes());
  }
  for (const auto& [key, tensor] : other.tensors) {
    if (key.starts_with(kOptimizer) || own.tensors.contains(key)) continue;
    throw Error("ERR_WEIGHTS_UNEXPECTED_KEY",
                c10::str(other.origin, ": '", key,
                         "' is not of this trainer: the state is of one with other options"),
                {{"key", key}, {"path", other.origin}});
  }
  if (ema_) integer_of(other, std::string(kEma) + "updates");
  const auto name = other.metadata.find(kOptimizerName);
  const std::string found = name == other.metadata.end() ? "" : name->second;
  if (found == options_.optimizer.name) return;
  throw Error(
      "ERR_WEIGHTS_MISSING_KEY",
      c10::str(other.origin, ": expected the state of the optimizer '", options_.optimizer.name,
               "', found '", found, "': the state is of a trainer with other options"),
      {{"key", kOptimizerName}, {"path", other.origin}});
}

void ParameterTrainer::load_state(const StateDict& state) {
  require_own_weights();
  require_state_of_these_options(state);
  optimizer_->load(state, kOptimizer);  // the last that can refuse
  forget();
  load_parameters(state, kModel, parameters_);
  if (ema_) ema_->load(state, kEma);
  if (scaler_) scaler_->load(state, kLossScaler);
}

}  // namespace latentray
