#include "training/named_parameters.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace latentray {

WithGradients::WithGradients(const NamedParameters& named) {
  for (size_t i = 0; i < named.size(); ++i) {
    const auto& parameter = named[i].second;
    if (!parameter.grad().defined()) continue;
    indices.push_back(i);
    parameters.push_back(parameter);
    gradients.push_back(parameter.grad());
  }
}

double clip_gradients(const NamedParameters& parameters, std::optional<double> max_norm) {
  const at::NoGradGuard no_grad;
  const WithGradients present(parameters);
  if (present.gradients.empty()) return 0;
  const auto norm = at::stack(at::_foreach_norm(present.gradients)).norm();
  if (max_norm) {
    const auto factor = (*max_norm / (norm + 1e-6)).clamp_max(1.0);
    at::_foreach_mul_(present.gradients, factor);
  }
  return norm.item<double>();
}

NamedParameters copy_gradients(const NamedParameters& parameters) {
  NamedParameters gradients;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.grad().defined()) gradients.emplace_back(name, parameter.grad().clone());
  }
  return gradients;
}

void forget_gradients(const NamedParameters& parameters) {
  for (const auto& [name, parameter] : parameters) parameter.mutable_grad().reset();
}

}  // namespace latentray
