// From noise to latents: the reverse process, one step a call, so that whoever drives it may look
// at the latents, stop, or run something else in between. Checked against diffusers'
// pipelines/stable_diffusion/pipeline_stable_diffusion.py.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/seeded_noise.h"
#include "diffusion/guidance.h"
#include "diffusion/scheduler.h"
#include "models/unet.h"

namespace latentray {

// A prompt as the U-Net attends to it.
struct PromptStates {
  at::Tensor states;               // [N, L, D]
  std::optional<at::Tensor> mask;  // [N, L], 0 where not to attend
};

struct DenoisingInputs {
  PromptStates prompt;
  // Needed when guidance is enabled.
  std::optional<PromptStates> negative;
  Guidance guidance;
  double eta = 0;
  int64_t steps = 50;
  // Seeds of the noise: one for the batch, or one an image.
  std::vector<uint64_t> seeds;
  int64_t height = 64;  // of the latents
  int64_t width = 64;
  // Unit-variance noise to start from, [N, C, height, width]; drawn from the seeds when absent.
  std::optional<at::Tensor> latents;
};

class DenoisingLoop {
 public:
  // Takes a scheduler of its own. ERR_SHAPE and ERR_INVALID_ARG name inputs that do not fit.
  DenoisingLoop(UNet2DConditionModel unet, std::unique_ptr<Scheduler> scheduler,
                const DenoisingInputs& inputs);

  // Model calls in all and made so far (Heun makes two a step).
  size_t steps() const { return timesteps().size(); }
  size_t index() const { return index_; }
  bool done() const { return index_ == steps(); }
  const std::vector<double>& timesteps() const { return scheduler_->timesteps(); }

  // [N, C, height, width], a new tensor after every step.
  const at::Tensor& latents() const { return latents_; }

  // One step: predict, guide, advance. An abort inside leaves the loop as it was before the step.
  void step();

 private:
  void check(const DenoisingInputs& inputs) const;
  at::Tensor initial_latents(const DenoisingInputs& inputs);
  at::Tensor predict();

  UNet2DConditionModel unet_;
  std::unique_ptr<Scheduler> scheduler_;
  NoiseSource noise_;
  Guidance guidance_;
  double eta_;
  PromptStates conditioning_;  // the negative prompt's rows first when guidance is enabled
  at::Tensor latents_;
  size_t index_ = 0;
};

}  // namespace latentray
