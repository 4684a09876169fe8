// The text encoder of Stable Diffusion 2.x as its original checkpoints hold it: OpenCLIP's names,
// query, key and value in one matrix, positions and projection as bare parameters. References:
// mlfoundations/open_clip transformer.py; Stability-AI/stablediffusion
// ldm/modules/encoders/modules.py; diffusers
// scripts/convert_diffusers_to_original_stable_diffusion.py.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "core/config.h"

namespace latentray {

// Whether a CLIP text encoder's config is that of an OpenCLIP model. Stable Diffusion 1.x took
// OpenAI's, which computes in another activation. ERR_CONFIG_INVALID for another kind of encoder.
bool is_open_clip(const Config& config);

// The layers that `config` counts. The published checkpoints hold one more, which nobody reads
// from, and a projection that only some models use: what `config` does not describe is left out.
// ERR_WEIGHTS_MISSING_KEY, beginning with `origin`, where there are fewer layers.
std::map<std::string, at::Tensor> open_clip_to_transformers(
    const std::map<std::string, at::Tensor>& open_clip, const Config& config,
    const std::string& origin);

// What open_clip_to_transformers gives back, bit by bit, as OpenCLIP names it.
std::map<std::string, at::Tensor> transformers_to_open_clip(
    const std::map<std::string, at::Tensor>& transformers);

}  // namespace latentray
