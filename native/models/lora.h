// LoRA adapters on a model's linear layers and convolutions: added beside the weights, or fused
// into them.
#pragma once

#include <torch/nn/module.h>

#include <map>
#include <string>
#include <vector>

#include "weights/lora_file.h"

namespace latentray {

// Hangs the layers of an adapter on the modules that they name; returns how many. Nothing changes
// when one fits nowhere or two fit one layer (ERR_WEIGHTS_UNEXPECTED_KEY), has another shape
// (ERR_WEIGHTS_SHAPE), or when the model is fused or has an adapter of this name (ERR_INVALID_ARG).
int64_t add_lora(torch::nn::Module& model, const std::string& name,
                 const std::map<std::string, LoraLayer>& layers);

// How a new adapter begins: `rank` columns beside every layer whose name is one of `targets`, or
// ends with a point and one of them.
struct NewLora {
  int64_t rank;
  double alpha;
  std::vector<std::string> targets;
};

// Hangs an adapter on the model that adds nothing yet, to be trained: float32 matrices with
// gradients, down from N(0, 1 / rank²), up zeros. Returns the layers by module.
// ERR_INVALID_ARG for a target that no layer has, a fused model, or one with an adapter in
// training. Checked against peft's tuners/lora/layer.py (reset_lora_parameters, "gaussian").
std::map<std::string, LoraLayer> add_trained_lora(torch::nn::Module& model, const std::string& name,
                                                  const NewLora& lora, uint64_t seed);

// Sets the scales of the adapters that are named and switches the others off, but for one in
// training. ERR_INVALID_ARG while the model is fused.
void set_lora_scales(torch::nn::Module& model, const std::map<std::string, double>& scales);

void remove_lora(torch::nn::Module& model, const std::string& name);

// ERR_INVALID_ARG where adapters are in the weights.
void require_unfused(torch::nn::Module& model);

// Puts the adapters into the weights at their present scales; unfusing gives the former weights
// back bit by bit. ERR_INVALID_ARG while a trainer changes either.
void fuse_lora(torch::nn::Module& model);
void unfuse_lora(torch::nn::Module& model);

}  // namespace latentray
