#include "training/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/error.h"

namespace latentray {

using at::Tensor;

namespace {

std::vector<Tensor> at_indices(const std::vector<Tensor>& all, const std::vector<size_t>& indices) {
  std::vector<Tensor> some;
  for (const size_t i : indices) some.push_back(all[i]);
  return some;
}

// The fused kernels do not say that they change the weights, and layers keep copies of them
// (nn/onednn.h).
void note_change(const std::vector<Tensor>& parameters) {
  for (const auto& parameter : parameters) parameter.unsafeGetTensorImpl()->bump_version();
}

class AdamW : public Optimizer {
 public:
  AdamW(const OptimizerOptions& options, const NamedParameters& parameters)
      : Optimizer(parameters, {"step", "exp_avg", "exp_avg_sq"}), options_(options) {}

  void step(double learning_rate) override {
    const at::NoGradGuard no_grad;
    const WithGradients present(parameters_);
    if (present.parameters.empty()) return;
    Slot& steps = slots_[0];
    Slot& averages = slots_[1];
    Slot& squares = slots_[2];
    for (const size_t i : present.indices) {
      if (steps[i].defined()) continue;
      const auto& parameter = parameters_[i].second;
      steps[i] = at::zeros({}, parameter.options().dtype(at::kFloat));
      averages[i] = at::zeros_like(parameter);
      squares[i] = at::zeros_like(parameter);
    }
    const auto own_steps = at_indices(steps, present.indices);
    at::_foreach_add_(own_steps, 1);
    at::_fused_adamw_(present.parameters, present.gradients, at_indices(averages, present.indices),
                      at_indices(squares, present.indices), {}, own_steps, learning_rate,
                      options_.beta1, options_.beta2, options_.weight_decay, options_.eps,
                      /*amsgrad=*/false, /*maximize=*/false);
    note_change(present.parameters);
  }

 private:
  OptimizerOptions options_;
};

class Sgd : public Optimizer {
 public:
  Sgd(const OptimizerOptions& options, const NamedParameters& parameters)
      : Optimizer(parameters, {"momentum"}), options_(options) {}

  void step(double learning_rate) override {
    const at::NoGradGuard no_grad;
    const WithGradients present(parameters_);
    if (present.parameters.empty()) return;
    std::vector<Tensor> buffers;
    if (options_.momentum != 0) {
      for (const size_t i : present.indices) {
        // From zeros, the first update is the gradient itself: the kernel's own first step.
        if (!slots_[0][i].defined()) slots_[0][i] = at::zeros_like(parameters_[i].second);
      }
      buffers = at_indices(slots_[0], present.indices);
    }
    at::_fused_sgd_(present.parameters, present.gradients, buffers, options_.weight_decay,
                    options_.momentum, learning_rate, /*dampening=*/0, /*nesterov=*/false,
                    /*maximize=*/false, /*is_first_step=*/false);
    note_change(present.parameters);
  }

 private:
  OptimizerOptions options_;
};

}  // namespace

Optimizer::Optimizer(NamedParameters parameters, std::vector<std::string> slots)
    : parameters_(std::move(parameters)),
      slot_names_(std::move(slots)),
      slots_(slot_names_.size(), Slot(parameters_.size())) {}

void Optimizer::save(StateDict& state, const std::string& prefix) const {
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (!slots_[slot][i].defined()) continue;
      state.tensors[c10::str(prefix, slot_names_[slot], ".", parameters_[i].first)] =
          slots_[slot][i];
    }
  }
}

void Optimizer::load(const StateDict& state, const std::string& prefix) {
  std::vector<Slot> loaded(slots_.size(), Slot(parameters_.size()));
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    for (size_t i = 0; i < parameters_.size(); ++i) {
      const auto& parameter = parameters_[i].second;
      const auto key = c10::str(prefix, slot_names_[slot], ".", parameters_[i].first);
      const auto found = state.tensors.find(key);
      if (found == state.tensors.end()) continue;
      const auto& tensor = found->second;
      LATENTRAY_CHECK(tensor.dim() == 0 || tensor.sizes() == parameter.sizes(), "ERR_WEIGHTS_SHAPE",
                      state.origin, ": '", key, "': expected ", parameter.sizes(), ", found ",
                      tensor.sizes());
      loaded[slot][i] = tensor.to(parameter.device(), tensor.scalar_type(),
                                  /*non_blocking=*/false, /*copy=*/true);
    }
  }
  slots_ = std::move(loaded);
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          const NamedParameters& parameters) {
  if (options.name == "adamw") return std::make_unique<AdamW>(options, parameters);
  LATENTRAY_CHECK(options.name == "sgd", "ERR_INVALID_ARG",
                  "optimizer: expected 'adamw' or 'sgd'; received '", options.name, "'");
  return std::make_unique<Sgd>(options, parameters);
}

}  // namespace latentray
