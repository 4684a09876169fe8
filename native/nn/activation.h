// The activation functions that published configs name.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "core/config.h"

namespace latentray::nn {

// May overwrite its argument, a layer's fresh output, to spare the memory of a second one.
using Activation = at::Tensor (*)(const at::Tensor&);

// relu, silu (= swish), mish, gelu, gelu_new (= gelu_pytorch_tanh) or quick_gelu: the names of
// diffusers and transformers. ERR_INVALID_ARG for any other.
Activation activation(const std::string& name);

// The one that `config` names under `key`; ERR_CONFIG_INVALID for a name that is not implemented.
Activation activation(const Config& config, const std::string& key, const std::string& fallback);

}  // namespace latentray::nn
