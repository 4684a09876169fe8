// From noise to latents: the reverse process, one step a call, so that whoever drives it may look
// at the latents, stop, or run something else in between. Checked against diffusers'
// pipelines/stable_diffusion: text to image, image to image and inpainting.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/seeded_noise.h"
#include "diffusion/noise_predictor.h"
#include "diffusion/scheduler.h"

namespace latentray {

// What is known of an image whose masked part is painted anew.
struct KnownRegion {
  at::Tensor mask;           // [N, 1, h, w]: 1 where to paint, 0 where the original stays
  at::Tensor image_latents;  // [N, C, h, w], scaled
};

struct DenoisingInputs {
  // Of unit variance, [N, C, h, w]: what a run starts from, or what noises the image.
  at::Tensor noise;
  // [N, C, h, w], scaled: the run starts from these, noised to the level of `start_step`.
  std::optional<at::Tensor> image_latents;
  // [N, C, h, w]: the run goes on from these as they are.
  std::optional<at::Tensor> latents;
  // Keeps the latents outside of the mask at the image's, after every step.
  std::optional<KnownRegion> known;
  // An index into the scheduler's timesteps, a multiple of its order.
  size_t start_step = 0;
  double eta = 0;
  // What stochastic schedulers draw from.
  std::shared_ptr<NoiseSource> noise_source;
};

class DenoisingLoop {
 public:
  // The scheduler's timesteps are chosen. ERR_SHAPE and ERR_INVALID_ARG name inputs that do not
  // fit.
  DenoisingLoop(std::shared_ptr<NoisePredictor> predictor, std::unique_ptr<Scheduler> scheduler,
                const DenoisingInputs& inputs);

  // Model calls in all and made so far (Heun makes two a step).
  size_t steps() const { return scheduler_->timesteps().size() - start_; }
  size_t index() const { return index_ - start_; }
  bool done() const { return index() == steps(); }
  // The timesteps of this run, the first at `start_step`.
  std::vector<double> timesteps() const;

  // [N, C, h, w], a new tensor after every step.
  const at::Tensor& latents() const { return latents_; }

  // One step: predict, guide, advance. An abort inside leaves the loop as it was before the step.
  void step();

 private:
  void check(const DenoisingInputs& inputs) const;
  at::Tensor initial_latents(const DenoisingInputs& inputs) const;
  // `latents` with the original, noised to the level of step `index_`, where the mask is 0.
  at::Tensor with_known_region(const at::Tensor& latents) const;

  std::shared_ptr<NoisePredictor> predictor_;
  std::unique_ptr<Scheduler> scheduler_;
  std::shared_ptr<NoiseSource> noise_source_;
  double eta_;
  size_t start_;
  size_t index_;
  at::Tensor noise_;
  std::optional<KnownRegion> known_;
  at::Tensor latents_;
};

}  // namespace latentray
