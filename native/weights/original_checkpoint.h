// The layout of the original Stable Diffusion 1.x and 2.x checkpoints: one file with the U-Net
// under "model.diffusion_model.", the autoencoder under "first_stage_model." and the text encoder
// under "cond_stage_model.", named block by block in the order of computation; and its key map to
// the layout of diffusers and transformers. References: CompVis/stable-diffusion,
// Stability-AI/stablediffusion (ldm/modules); diffusers
// scripts/convert_original_stable_diffusion_to_diffusers.py.
#pragma once

#include <optional>
#include <string>

#include "core/config.h"
#include "weights/state_dict.h"

namespace latentray {

// The parts, by the folder that diffusers keeps each in.
enum class Part { kUNet, kVae, kTextEncoder };

// Original checkpoints may hold the U-Net twice: as trained, and its exponential moving average.
struct OriginalOptions {
  // Unset where the caller did not choose, which is an error when the file holds both.
  std::optional<bool> ema;
};

bool is_original_checkpoint(const StateDict& state);

// The tensors of `part`, which `config` describes, under the names of diffusers and transformers. A
// state that is not in the original layout is returned as it is. ERR_WEIGHTS_MISSING_KEY when the
// file lacks the part or some of its layers, ERR_INVALID_ARG when it holds EMA weights and nobody
// chose, or lacks those that were asked for.
StateDict from_original(StateDict state, Part part, const Config& config,
                        const OriginalOptions& options);

// The three parts as one original checkpoint. A text encoder whose config says that it is
// OpenCLIP's (Stable Diffusion 2.x) is written under OpenCLIP's names, others under transformers'.
StateDict join_original(const StateDict& unet, const StateDict& vae, const StateDict& text_encoder,
                        const Config& text_config);

}  // namespace latentray
