#include "nn/gradient_checkpointing.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include "core/cancellation.h"

namespace latentray::nn {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// A thread's autocast mode for one kind of device. The backward pass may run on another thread.
struct AutocastMode {
  c10::DeviceType device;
  bool enabled;
  at::ScalarType dtype;

  static AutocastMode current(c10::DeviceType device) {
    return {device, at::autocast::is_autocast_enabled(device),
            at::autocast::get_autocast_dtype(device)};
  }
  void apply() const {
    at::autocast::set_autocast_enabled(device, enabled);
    at::autocast::set_autocast_dtype(device, dtype);
  }
};

class AutocastScope {
 public:
  explicit AutocastScope(const AutocastMode& mode) : before_(AutocastMode::current(mode.device)) {
    mode.apply();
    at::autocast::increment_nesting();
  }
  ~AutocastScope() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    before_.apply();
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  AutocastMode before_;
};

// How a block is computed again.
struct Recipe : torch::CustomClassHolder {
  Recipe(Block block, c10::DeviceType device)
      : block(std::move(block)), autocast(AutocastMode::current(device)) {}

  Block block;
  AutocastMode autocast;
};

// The same values with no history, and gradients of their own.
std::vector<Tensor> as_leaves(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> leaves;
  for (const Tensor& input : inputs) {
    leaves.push_back(input.detach().requires_grad_(input.requires_grad()));
  }
  return leaves;
}

// Gradients of an input that the block uses twice are added up before they leave the block, with
// checkpointing or without: sums of another order differ in their last bits. Autocast, too, treats
// both alike then; it would keep its casts of a leaf.
std::vector<Tensor> entering(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> entered;
  for (const Tensor& input : inputs) {
    entered.push_back(input.requires_grad() ? at::alias(input) : input);
  }
  return entered;
}

class CheckpointedBlock : public torch::autograd::Function<CheckpointedBlock> {
 public:
  // `output` was computed already. `inputs`: the block's, then one that requires a gradient, for
  // without such a one nothing would lead back to the block's parameters.
  static Tensor forward(AutogradContext* context, const c10::intrusive_ptr<Recipe>& recipe,
                        const std::function<Tensor()>& output, at::TensorList inputs) {
    context->saved_data["recipe"] = c10::IValue::make_capsule(recipe);
    context->save_for_backward(inputs.slice(0, inputs.size() - 1).vec());
    return output();
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto recipe =
        c10::static_intrusive_pointer_cast<Recipe>(context->saved_data["recipe"].toCapsule());
    cancellation_point();
    const auto inputs = as_leaves(context->get_saved_variables());
    torch::autograd::backward({compute_again(*recipe, inputs)}, {gradients[0]});
    variable_list of_arguments(2);  // the recipe's and the output's: none
    for (const Tensor& input : inputs) of_arguments.push_back(input.grad());
    of_arguments.emplace_back();
    return of_arguments;
  }

 private:
  static Tensor compute_again(const Recipe& recipe, const std::vector<Tensor>& inputs) {
    const AutocastScope autocast(recipe.autocast);
    const at::AutoGradMode with_grad(true);
    return recipe.block(entering(inputs));
  }
};

}  // namespace

Tensor run_block(bool checkpoint, const std::vector<Tensor>& inputs, const Block& block) {
  if (!at::GradMode::is_enabled()) return block(inputs);
  if (!checkpoint) return block(entering(inputs));
  // Recorded, and forgotten at once: kernels for inference round in another way.
  const Tensor output = block(entering(as_leaves(inputs)));
  if (!output.requires_grad()) return output;
  auto arguments = inputs;
  arguments.push_back(at::empty({0}, inputs.front().options()).requires_grad_(true));
  return CheckpointedBlock::apply(c10::make_intrusive<Recipe>(block, output.device().type()),
                                  std::function<Tensor()>([&] { return output.detach(); }),
                                  at::TensorList(arguments));
}

}  // namespace latentray::nn
