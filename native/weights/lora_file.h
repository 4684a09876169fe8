// Files of LoRA weights, in the key styles that are published: diffusers with peft
// ("unet.….to_q.lora_A.weight"), older diffusers ("….to_q.lora.down.weight",
// "….q_proj.lora_linear_layer.down.weight", "….processor.to_q_lora.down.weight"), kohya-ss
// ("lora_unet_…_to_q.lora_down.weight") and the original layout's
// ("diffusion_model.….to_q.lora_up.weight"). References: diffusers loaders/lora_conversion_utils.py
// and utils/state_dict_utils.py; kohya-ss/sd-scripts networks/lora.py.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "weights/original_checkpoint.h"
#include "weights/state_dict.h"

namespace latentray {

struct LoraLayer {
  at::Tensor down;
  at::Tensor up;
  double alpha;     // the rank where the file has none
  std::string key;  // one of the file's keys, for messages
};

// The layers for one part, by module as the file names it: "mid_block.….to_q" or "middle_block.1.….
// to_q", or with underscores for points ("mid_block_…_to_q"). ERR_WEIGHTS_UNEXPECTED_KEY for a key
// of no known style, ERR_WEIGHTS_MISSING_KEY for half of a pair.
std::map<std::string, LoraLayer> lora_layers(const StateDict& state, Part part);

// How the file that diffusers reads names a layer's matrices: "unet.<module>.lora.down.weight" and
// "….lora.up.weight"; in text encoders peft's "lora_A" and "lora_B", the one ending that diffusers
// reads there for all layers.
struct LoraKeys {
  std::string down;
  std::string up;
};
LoraKeys lora_keys(Part part, const std::string& module);

// Adds a part's layers, which share one rank and one alpha, to what is to become diffusers'
// pytorch_lora_weights.safetensors. Rank, alpha and `targets`, the ends of the layers' names, go
// into the metadata, as diffusers writes them.
void save_lora_layers(StateDict& state, Part part, const std::map<std::string, LoraLayer>& layers,
                      const std::vector<std::string>& targets);

}  // namespace latentray
