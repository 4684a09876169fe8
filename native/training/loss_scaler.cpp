#include "training/loss_scaler.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "training/trainer_state.h"

namespace latentray {

namespace {

constexpr double kFirstScale = 65536;
constexpr double kGrowth = 2;
constexpr double kBackoff = 0.5;
constexpr int64_t kGrowthInterval = 2000;

// Multiplies the gradients by `factor`.
bool finite_times(const NamedParameters& parameters, const at::Tensor& factor) {
  const at::NoGradGuard no_grad;
  const WithGradients present(parameters);
  auto found_inf = at::zeros_like(factor);
  if (!present.gradients.empty()) {
    at::_amp_foreach_non_finite_check_and_unscale_(present.gradients, found_inf, factor);
  }
  return found_inf.item<float>() == 0;
}

}  // namespace

LossScaler::LossScaler(at::Device device)
    : scale_(at::full({1}, kFirstScale, at::TensorOptions(at::kFloat).device(device))),
      growth_tracker_(at::zeros({1}, at::TensorOptions(at::kInt).device(device))) {}

double LossScaler::scale() const { return scale_.item<double>(); }

bool LossScaler::unscale(const NamedParameters& parameters) {
  return finite_times(parameters, scale_.to(at::kDouble).reciprocal().to(at::kFloat));
}

void LossScaler::update(bool finite) {
  const auto found_inf = at::full({1}, finite ? 0.0 : 1.0, scale_.options());
  at::_amp_update_scale_(scale_, growth_tracker_, found_inf, kGrowth, kBackoff, kGrowthInterval);
}

void LossScaler::save(StateDict& state, const std::string& prefix) const {
  state.tensors[prefix + "scale"] = scale_;
  state.tensors[prefix + "growth_tracker"] = growth_tracker_;
}

void LossScaler::load(const StateDict& state, const std::string& prefix) {
  copy_state(state, prefix + "scale", scale_);
  copy_state(state, prefix + "growth_tracker", growth_tracker_);
}

bool gradients_are_finite(const NamedParameters& parameters) {
  if (parameters.empty()) return true;
  const auto& device = parameters.front().second.device();
  return finite_times(parameters, at::ones({1}, at::TensorOptions(at::kFloat).device(device)));
}

}  // namespace latentray
