// LoRA adapters on a model's linear layers and convolutions: added beside the weights, or fused
// into them.
#pragma once

#include <torch/nn/module.h>

#include <map>
#include <string>

#include "weights/lora_file.h"

namespace latentray {

// Hangs the layers of an adapter on the modules that they name; returns how many. Nothing changes
// when one fits nowhere or two fit one layer (ERR_WEIGHTS_UNEXPECTED_KEY), has another shape
// (ERR_WEIGHTS_SHAPE), or when the model is fused or has an adapter of this name (ERR_INVALID_ARG).
int64_t add_lora(torch::nn::Module& model, const std::string& name,
                 const std::map<std::string, LoraLayer>& layers);

// Sets the scales of the adapters that are named and switches the others off. ERR_INVALID_ARG while
// the model is fused.
void set_lora_scales(torch::nn::Module& model, const std::map<std::string, double>& scales);

void remove_lora(torch::nn::Module& model, const std::string& name);

// Puts the adapters into the weights at their present scales; unfusing gives the former weights
// back bit by bit.
void fuse_lora(torch::nn::Module& model);
void unfuse_lora(torch::nn::Module& model);

}  // namespace latentray
