#include "nn/activation.h"

#include <ATen/ATen.h>

#include <map>

namespace latentray::nn {

using at::Tensor;

namespace {

Tensor gelu(const Tensor& x) { return at::gelu(x); }
Tensor gelu_tanh(const Tensor& x) { return at::gelu(x, "tanh"); }
Tensor mish(const Tensor& x) { return at::mish(x); }
Tensor relu(const Tensor& x) { return x.relu_(); }  // its gradient follows from its result
Tensor silu(const Tensor& x) { return at::silu(x); }

// The sigmoid approximation that CLIP was trained with.
Tensor quick_gelu(const Tensor& x) { return x * at::sigmoid(1.702 * x); }

const std::map<std::string, Activation>& activations() {
  static const std::map<std::string, Activation> all = {
      {"gelu", gelu},
      {"gelu_new", gelu_tanh},
      {"gelu_pytorch_tanh", gelu_tanh},
      {"mish", mish},
      {"quick_gelu", quick_gelu},
      {"relu", relu},
      {"silu", silu},
      {"swish", silu},
  };
  return all;
}

}  // namespace

Activation activation(const std::string& name) {
  const auto found = activations().find(name);
  LATENTRAY_CHECK(found != activations().end(), "ERR_INVALID_ARG", "activation: '", name,
                  "' is not implemented");
  return found->second;
}

Activation activation(const Config& config, const std::string& key, const std::string& fallback) {
  std::vector<std::string> names;
  for (const auto& [name, function] : activations()) names.push_back(name);
  config.require_one_of(key, names, fallback);
  return activation(config.string(key, fallback));
}

}  // namespace latentray::nn
