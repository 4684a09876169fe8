#include "diffusion/denoising_loop.h"

#include <ATen/ATen.h>

#include "core/cancellation.h"
#include "core/error.h"
#include "nn/module_parameters.h"

namespace latentray {

namespace {

at::TensorOptions options_of(UNet2DConditionModel& unet) {
  return nn::first_parameter(*unet).options().requires_grad(false);
}

// Both prompts as one batch, so that guidance costs one forward.
PromptStates batched(const PromptStates& negative, const PromptStates& prompt) {
  PromptStates both{at::cat({negative.states, prompt.states}), std::nullopt};  // [2N, L, D]
  if (prompt.mask) both.mask = at::cat({*negative.mask, *prompt.mask});        // [2N, L]
  return both;
}

PromptStates moved(const PromptStates& prompt, const at::TensorOptions& options) {
  PromptStates result{prompt.states.to(options), std::nullopt};
  if (prompt.mask) result.mask = prompt.mask->to(options.device());
  return result;
}

}  // namespace

DenoisingLoop::DenoisingLoop(UNet2DConditionModel unet, std::unique_ptr<Scheduler> scheduler,
                             const DenoisingInputs& inputs)
    : unet_(std::move(unet)),
      scheduler_(std::move(scheduler)),
      noise_(inputs.seeds),
      guidance_(inputs.guidance),
      eta_(inputs.eta) {
  check(inputs);
  const auto options = options_of(unet_);
  conditioning_ = moved(inputs.prompt, options);
  if (guidance_.enabled()) {
    conditioning_ = batched(moved(*inputs.negative, options), conditioning_);
  }
  scheduler_->set_timesteps(inputs.steps);
  latents_ = initial_latents(inputs);
}

void DenoisingLoop::check(const DenoisingInputs& inputs) const {
  const auto& prompt = inputs.prompt;
  LATENTRAY_CHECK(prompt.states.dim() == 3, "ERR_SHAPE",
                  "promptEmbeddings: expected shape [N, L, D], received ", prompt.states.sizes());
  if (!guidance_.enabled()) return;
  LATENTRAY_CHECK(inputs.negative, "ERR_INVALID_ARG",
                  "negativePromptEmbeddings: needed when guidanceScale is above 1");
  const auto& negative = *inputs.negative;
  LATENTRAY_CHECK(negative.states.sizes() == prompt.states.sizes(), "ERR_SHAPE",
                  "negativePromptEmbeddings: expected the prompt's shape ", prompt.states.sizes(),
                  ", received ", negative.states.sizes());
  LATENTRAY_CHECK(negative.mask.has_value() == prompt.mask.has_value(), "ERR_INVALID_ARG",
                  "attention masks: expected for both prompts or for neither");
}

at::Tensor DenoisingLoop::initial_latents(const DenoisingInputs& inputs) {
  const auto options = options_of(unet_);
  const std::vector<int64_t> shape{inputs.prompt.states.size(0), unet_->options().in_channels,
                                   inputs.height, inputs.width};
  if (inputs.latents) {
    LATENTRAY_CHECK(inputs.latents->sizes() == at::IntArrayRef(shape), "ERR_SHAPE",
                    "latents: expected shape ", at::IntArrayRef(shape), ", received ",
                    inputs.latents->sizes());
    return inputs.latents->to(options) * scheduler_->init_noise_sigma();
  }
  return noise_.randn(shape, options) * scheduler_->init_noise_sigma();
}

at::Tensor DenoisingLoop::predict() {
  const at::Tensor seen =
      guidance_.enabled() ? at::cat({latents_, latents_}) : latents_;  // [N or 2N, C, h, w]
  UNetConditions conditions;
  conditions.encoder_attention_mask = conditioning_.mask;
  const at::Tensor time = at::scalar_tensor(timesteps()[index_], at::kDouble);
  const at::Tensor prediction = unet_->forward(scheduler_->scale_model_input(seen, index_), time,
                                               conditioning_.states, conditions);
  if (!guidance_.enabled()) return prediction;
  const auto halves = prediction.chunk(2);  // two of [N, C, h, w]
  return guide(halves[0], halves[1], guidance_);
}

void DenoisingLoop::step() {
  LATENTRAY_CHECK(!done(), "ERR_INVALID_ARG", "step: the loop has made all of its ", steps(),
                  " steps");
  const at::Tensor prediction = predict();
  cancellation_point();
  latents_ = scheduler_->step(prediction, index_, latents_, {eta_, &noise_});
  ++index_;
}

}  // namespace latentray
