#include "diffusion/noise_predictor.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "nn/module_parameters.h"

namespace latentray {

namespace {

// Both prompts as one batch, so that guidance costs one forward.
PromptStates batched(const PromptStates& negative, const PromptStates& prompt) {
  PromptStates both{at::cat({negative.states, prompt.states}), std::nullopt};  // [2N, L, D]
  if (prompt.mask) both.mask = at::cat({*negative.mask, *prompt.mask});        // [2N, L]
  return both;
}

// The second half of both: the prompt's rows, over the same memory.
PromptStates second_half(const PromptStates& both) {
  const int64_t rows = both.states.size(0) / 2;
  PromptStates half{both.states.narrow(0, rows, rows), std::nullopt};  // [N, L, D]
  if (both.mask) half.mask = both.mask->narrow(0, rows, rows);         // [N, L]
  return half;
}

PromptStates moved(const PromptStates& prompt, const at::TensorOptions& options) {
  PromptStates result{prompt.states.to(options), std::nullopt};
  if (prompt.mask) result.mask = prompt.mask->to(options.device());
  return result;
}

// [N, …] → [rows, …]: the same rows again for the negative prompt's half.
at::Tensor for_rows(const at::Tensor& tensor, int64_t rows) {
  return tensor.size(0) == rows ? tensor : at::cat({tensor, tensor});
}

// [N, …] → [rows, …]: nothing for the negative prompt's half.
at::Tensor zeros_before(const at::Tensor& tensor, int64_t rows) {
  return tensor.size(0) == rows ? tensor : at::cat({at::zeros_like(tensor), tensor});
}

void add(UNetConditions& conditions, const ControlResiduals& residuals) {
  auto& down = conditions.down_block_additional_residuals;
  auto& mid = conditions.mid_block_additional_residual;
  if (!mid) {
    down = residuals.down;
    mid = residuals.mid;
    return;
  }
  LATENTRAY_CHECK(down.size() == residuals.down.size(), "ERR_INVALID_ARG",
                  "control: the ControlNets have ", down.size(), " and ", residuals.down.size(),
                  " outputs; expected ControlNets of one architecture");
  for (size_t i = 0; i < down.size(); ++i) down[i] = down[i] + residuals.down[i];
  mid = *mid + residuals.mid;
}

}  // namespace

NoisePredictor::NoisePredictor(UNet2DConditionModel unet, const NoiseConditions& conditions)
    : unet_(std::move(unet)),
      guidance_(conditions.guidance),
      controls_(conditions.controls),
      guess_mode_(conditions.guess_mode) {
  check(conditions);
  const auto options = tensor_options();
  prompt_ = moved(conditions.prompt, options);
  if (guides()) {
    guided_ = batched(moved(*conditions.negative, options), prompt_);
    prompt_ = second_half(*guided_);
  }
  if (conditions.extra_channels) extra_channels_ = conditions.extra_channels->to(options);
  for (auto& control : controls_) control.image = control.image.to(options);
  if (const auto dim = unet_->options().time_cond_proj_dim) {
    timestep_cond_ = guidance_embedding(guidance_.scale, *dim).to(options);
  }
}

bool NoisePredictor::guides() const {
  // A network that takes the scale as an input guides itself.
  return guidance_.enabled() && !unet_->options().time_cond_proj_dim;
}

int64_t NoisePredictor::latent_channels() const {
  return unet_->options().in_channels - (extra_channels_ ? extra_channels_->size(1) : 0);
}

at::TensorOptions NoisePredictor::tensor_options() const {
  return nn::first_parameter(*unet_.ptr()).options().requires_grad(false);
}

void NoisePredictor::check(const NoiseConditions& conditions) const {
  const auto& prompt = conditions.prompt;
  LATENTRAY_CHECK(prompt.states.dim() == 3, "ERR_SHAPE",
                  "promptEmbeddings: expected shape [N, L, D], received ", prompt.states.sizes());
  const int64_t batch = prompt.states.size(0);
  for (const auto& control : conditions.controls) {
    LATENTRAY_CHECK(control.image.dim() == 4 && control.image.size(0) == batch, "ERR_SHAPE",
                    "control image: expected [", batch, ", C, H, W], received ",
                    control.image.sizes());
  }
  if (!guides()) return;
  LATENTRAY_CHECK(conditions.negative, "ERR_INVALID_ARG",
                  "negativePromptEmbeddings: needed when guidanceScale is above 1");
  const auto& negative = *conditions.negative;
  LATENTRAY_CHECK(negative.states.sizes() == prompt.states.sizes(), "ERR_SHAPE",
                  "negativePromptEmbeddings: expected the prompt's shape ", prompt.states.sizes(),
                  ", received ", negative.states.sizes());
  LATENTRAY_CHECK(negative.mask.has_value() == prompt.mask.has_value(), "ERR_INVALID_ARG",
                  "attention masks: expected for both prompts or for neither");
}

at::Tensor NoisePredictor::predict(const at::Tensor& sample, double timestep, size_t step,
                                   size_t steps) {
  const bool guided = guides() && guidance_.interval.contains(step, steps);
  const PromptStates& text = guided ? *guided_ : prompt_;
  const int64_t rows = text.states.size(0);
  const at::Tensor seen = for_rows(sample, rows);  // [N or 2N, C, h, w]
  const at::Tensor time = at::scalar_tensor(timestep, at::kDouble);
  const auto conditions = conditions_at(sample, time, text, step, steps);
  const at::Tensor input = extra_channels_ ? at::cat({seen, for_rows(*extra_channels_, rows)}, 1)
                                           : seen;  // [N or 2N, in_channels, h, w]
  const at::Tensor prediction = unet_->forward(input, time, text.states, conditions);
  if (!guided) return prediction;
  const auto halves = prediction.chunk(2);  // two of [N, C, h, w]
  return guide(halves[0], halves[1], guidance_);
}

UNetConditions NoisePredictor::conditions_at(const at::Tensor& sample, const at::Tensor& time,
                                             const PromptStates& text, size_t step, size_t steps) {
  const int64_t rows = text.states.size(0);
  const PromptStates& steered = guess_mode_ ? prompt_ : text;
  const int64_t steered_rows = steered.states.size(0);
  const at::Tensor seen = for_rows(sample, steered_rows);
  UNetConditions conditions;
  conditions.encoder_attention_mask = text.mask;
  if (timestep_cond_) conditions.timestep_cond = timestep_cond_->expand({rows, -1});
  for (auto& control : controls_) {
    if (control.scale == 0 || !control.interval.contains(step, steps)) continue;
    add(conditions,
        control.model->forward(seen, time, steered.states, for_rows(control.image, steered_rows),
                               {control.scale, guess_mode_}, steered.mask));
  }
  for (auto& skip : conditions.down_block_additional_residuals) skip = zeros_before(skip, rows);
  auto& mid = conditions.mid_block_additional_residual;
  if (mid) mid = zeros_before(*mid, rows);
  return conditions;
}

}  // namespace latentray
