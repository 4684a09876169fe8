#include "diffusion/denoising_loop.h"

#include <ATen/ATen.h>

#include "core/cancellation.h"
#include "core/error.h"

namespace latentray {

namespace {

void check_latents(const char* name, const std::optional<at::Tensor>& tensor,
                   at::IntArrayRef expected) {
  LATENTRAY_CHECK(!tensor || tensor->sizes() == expected, "ERR_SHAPE", name, ": expected shape ",
                  expected, ", received ", tensor->sizes());
}

}  // namespace

DenoisingLoop::DenoisingLoop(std::shared_ptr<NoisePredictor> predictor,
                             std::unique_ptr<Scheduler> scheduler, const DenoisingInputs& inputs)
    : predictor_(std::move(predictor)),
      scheduler_(std::move(scheduler)),
      noise_source_(inputs.noise_source),
      eta_(inputs.eta),
      start_(inputs.start_step),
      index_(inputs.start_step) {
  check(inputs);
  const auto options = predictor_->tensor_options();
  noise_ = inputs.noise.to(options);
  if (inputs.known) {
    known_ = KnownRegion{inputs.known->mask.to(options), inputs.known->image_latents.to(options)};
  }
  latents_ = initial_latents(inputs);
}

void DenoisingLoop::check(const DenoisingInputs& inputs) const {
  const auto& noise = inputs.noise;
  const bool fits = noise.dim() == 4 && noise.size(0) == predictor_->batch() &&
                    noise.size(1) == predictor_->latent_channels();
  LATENTRAY_CHECK(fits, "ERR_SHAPE", "latents: expected shape [", predictor_->batch(), ", ",
                  predictor_->latent_channels(), ", h, w], received ", noise.sizes());
  check_latents("image latents", inputs.image_latents, noise.sizes());
  check_latents("latents", inputs.latents, noise.sizes());
  if (inputs.known) {
    check_latents("image latents", inputs.known->image_latents, noise.sizes());
    check_latents("mask", inputs.known->mask, {noise.size(0), 1, noise.size(2), noise.size(3)});
  }
  const size_t calls = scheduler_->timesteps().size();
  const auto order = static_cast<size_t>(scheduler_->order());
  LATENTRAY_CHECK(start_ < calls && start_ % order == 0, "ERR_INVALID_ARG",
                  "startStep: expected less than ", calls, " and a multiple of ", order,
                  " (the scheduler's order), received ", start_);
}

at::Tensor DenoisingLoop::initial_latents(const DenoisingInputs& inputs) const {
  const auto options = predictor_->tensor_options();
  if (inputs.latents) return inputs.latents->to(options);
  if (inputs.image_latents) {
    return scheduler_->add_noise_at(inputs.image_latents->to(options), noise_, start_);
  }
  return noise_ * scheduler_->init_noise_sigma();
}

std::vector<double> DenoisingLoop::timesteps() const {
  const auto& all = scheduler_->timesteps();
  return {all.begin() + static_cast<std::ptrdiff_t>(start_), all.end()};
}

at::Tensor DenoisingLoop::with_known_region(const at::Tensor& latents) const {
  const bool last = index_ + 1 == scheduler_->timesteps().size();
  const at::Tensor original =
      last ? known_->image_latents
           : scheduler_->add_noise_at(known_->image_latents, noise_, index_ + 1);
  return (1 - known_->mask) * original + known_->mask * latents;
}

void DenoisingLoop::step() {
  LATENTRAY_CHECK(!done(), "ERR_INVALID_ARG", "step: the loop has made all of its ", steps(),
                  " steps");
  const double timestep = scheduler_->timesteps()[index_];
  const at::Tensor seen = scheduler_->scale_model_input(latents_, index_);
  const at::Tensor prediction = predictor_->predict(seen, timestep, index(), steps());
  cancellation_point();
  const at::Tensor next =
      scheduler_->step(prediction, index_, latents_, {eta_, noise_source_.get()});
  latents_ = known_ ? with_known_region(next) : next;
  ++index_;
}

}  // namespace latentray
