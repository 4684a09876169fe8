// The U-Net with everything that a run conditions it on: the text and its negative, guidance, the
// channels that an inpainting U-Net takes beside the latents, and ControlNets. Checked against
// diffusers' pipelines/stable_diffusion and pipelines/controlnet.
#pragma once

#include <optional>
#include <vector>

#include "diffusion/guidance.h"
#include "models/controlnet.h"
#include "models/unet.h"

namespace latentray {

// A prompt as the U-Net attends to it.
struct PromptStates {
  at::Tensor states;               // [N, L, D]
  std::optional<at::Tensor> mask;  // [N, L], 0 where not to attend
};

struct ControlInput {
  ControlNetModel model{nullptr};
  at::Tensor image;  // [N, C, H, W] in [0, 1], of the pixels' size
  double scale = 1;
  StepInterval interval;
};

struct NoiseConditions {
  PromptStates prompt;
  // Needed when the predictor guides.
  std::optional<PromptStates> negative;
  Guidance guidance;
  // [N, C, h, w], behind the latents' channels: the mask and the masked image's latents.
  std::optional<at::Tensor> extra_channels;
  std::vector<ControlInput> controls;
  // ControlNets see the prompt alone and leave the negative prompt's half as it is
  // (ControlStrength).
  bool guess_mode = false;
};

class NoisePredictor {
 public:
  // ERR_SHAPE and ERR_INVALID_ARG name conditions that do not fit.
  NoisePredictor(UNet2DConditionModel unet, const NoiseConditions& conditions);

  // sample [N, C, h, w], scaled as the scheduler wants it, at `step` (from 0) of a run's `steps` →
  // the prediction, guided where guidance is on.
  at::Tensor predict(const at::Tensor& sample, double timestep, size_t step, size_t steps);

  int64_t batch() const { return prompt_.states.size(0); }
  // Channels of the latents, without the extra ones.
  int64_t latent_channels() const;
  // Where the U-Net is, and its dtype.
  at::TensorOptions tensor_options() const;

 private:
  void check(const NoiseConditions& conditions) const;
  bool guides() const;
  UNetConditions conditions_at(const at::Tensor& sample, const at::Tensor& time,
                               const PromptStates& text, size_t step, size_t steps);

  UNet2DConditionModel unet_;
  Guidance guidance_;
  PromptStates prompt_;
  std::optional<PromptStates> guided_;  // the negative prompt's rows first
  std::optional<at::Tensor> extra_channels_;
  std::vector<ControlInput> controls_;
  bool guess_mode_;
  std::optional<at::Tensor> timestep_cond_;  // [1, time_cond_proj_dim]
};

}  // namespace latentray
