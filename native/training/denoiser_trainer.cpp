#include "training/denoiser_trainer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/cancellation.h"
#include "core/device.h"
#include "core/error.h"
#include "nn/module_parameters.h"
#include "training/autocast.h"
#include "training/finite_samples.h"
#include "training/measured_convolutions.h"
#include "training/sample_random.h"

namespace latentray {

using at::Tensor;

namespace {

at::ScalarType dtype_of(const torch::nn::Module& module) {
  return nn::first_parameter(module).scalar_type();
}

at::Device device_of(const torch::nn::Module& module) {
  return nn::first_parameter(module).device();
}

void check_device(const char* name, const torch::nn::Module& part, const torch::nn::Module& unet) {
  LATENTRAY_CHECK(device_of(part) == device_of(unet), "ERR_INVALID_ARG", name,
                  ": expected the U-Net's device, ", device_name(device_of(unet)), ", found ",
                  device_name(device_of(part)), ". Load both on one");
}

void check_parts(const DenoiserModels& models, const TrainedDenoiserParts& parts) {
  const auto& unet = *models.unet;
  if (models.text_encoder) check_device("textEncoder", *models.text_encoder, unet);
  if (models.text_projection) check_device("textProjection", *models.text_projection, unet);
  const bool any = parts.unet || parts.text_encoder || parts.text_projection || parts.unet_lora ||
                   parts.text_encoder_lora || !parts.tokens.empty();
  LATENTRAY_CHECK(any, "ERR_INVALID_ARG",
                  "expected something to train: at least one of trainable, lora and tokens");
  const bool needs_encoder = parts.text_encoder || parts.text_encoder_lora || !parts.tokens.empty();
  LATENTRAY_CHECK(models.text_encoder || !needs_encoder, "ERR_INVALID_ARG",
                  "textEncoder: expected one, since it or its tokens are to be trained");
  LATENTRAY_CHECK(models.text_projection || !parts.text_projection, "ERR_INVALID_ARG",
                  "textProjection: expected one, since it is to be trained");
  LATENTRAY_CHECK(
      !(parts.unet && parts.unet_lora) && !(parts.text_encoder && parts.text_encoder_lora),
      "ERR_INVALID_ARG",
      "lora: expected parts that are not trained whole. Leave them out of trainable, "
      "or turn their targets off");
  LATENTRAY_CHECK(!parts.text_encoder || parts.tokens.empty(), "ERR_INVALID_ARG",
                  "tokens: expected a text encoder that is not trained whole. Its tokens are "
                  "trained with it");
  LATENTRAY_CHECK(!parts.text_encoder || !models.text_encoder->has_added_embeddings(),
                  "ERR_INVALID_ARG",
                  "textEncoder: expected one without learned embeddings to train it whole. Unload "
                  "them first");
}

void append(NamedParameters& all, const NamedParameters& more) {
  all.insert(all.end(), more.begin(), more.end());
}

uint64_t lora_seed(uint64_t seed, Part part) {
  return mix_seed(seed, RandomPurpose::kLowRankFactors, 0, part == Part::kUNet ? 0 : 1);
}

void move_to(at::Device device, Tensor& tensor) { tensor = tensor.to(device); }

void move_to(at::Device device, std::optional<Tensor>& tensor) {
  if (tensor) tensor = tensor->to(device);
}

DenoiserBatch on_device(DenoiserBatch batch, at::Device device) {
  move_to(device, batch.latents.latents);
  for (auto* tensor :
       {&batch.latents.deviation, &batch.latents.noise, &batch.latents.mask, &batch.text.input_ids,
        &batch.text.encoder_hidden_states, &batch.text.attention_mask}) {
    move_to(device, *tensor);
  }
  return batch;
}

// The mean of the losses, each times its weight: [].
Tensor weighted_mean(const Tensor& losses, const std::optional<std::vector<double>>& weights) {
  if (!weights) return losses.mean();
  return (losses * at::tensor(*weights).to(losses.options())).mean();
}

}  // namespace

DenoiserTrainer::DenoiserTrainer(const DenoiserModels& models,
                                 const DenoiserTrainerOptions& options)
    : models_(models), loss_(options.loss), precision_(options.training.precision) {
  const auto& parts = options.parts;
  check_parts(models_, parts);
  const auto& architecture = models_.unet->options();
  LATENTRAY_CHECK(architecture.in_channels == architecture.out_channels, "ERR_INVALID_ARG",
                  "unet: expected one that predicts as many channels as it takes, found ",
                  architecture.out_channels, " and ", architecture.in_channels);
  trains_text_ = parts.text_encoder || parts.text_encoder_lora || !parts.tokens.empty();

  const auto train_whole = [this](const char* name, std::shared_ptr<torch::nn::Module> module) {
    whole_.push_back(std::make_unique<TrainedModule>(name, std::move(module)));
  };
  if (parts.unet) train_whole("unet", models_.unet.ptr());
  if (parts.text_encoder) train_whole("text_encoder", models_.text_encoder);
  if (parts.text_projection) train_whole("text_projection", models_.text_projection.ptr());
  const auto train_lora = [&](Part part, std::shared_ptr<torch::nn::Module> module,
                              const NewLora& lora) {
    loras_.push_back(std::make_unique<TrainedLora>(part, std::move(module), lora,
                                                   lora_seed(options.loss.seed, part)));
  };
  if (parts.unet_lora) train_lora(Part::kUNet, models_.unet.ptr(), *parts.unet_lora);
  if (parts.text_encoder_lora) {
    train_lora(Part::kTextEncoder, models_.text_encoder, *parts.text_encoder_lora);
  }
  if (!parts.tokens.empty()) {
    tokens_ = std::make_unique<TrainedTokens>(models_.text_encoder, parts.tokens);
  }

  NamedParameters all;
  for (const auto& part : whole_) append(all, part->parameters());
  for (const auto& lora : loras_) append(all, lora->parameters());
  if (tokens_) append(all, tokens_->parameters());
  trainer_ = std::make_unique<ParameterTrainer>(all, options.training);
  set_gradient_checkpointing(options.gradient_checkpointing);
}

DenoiserTrainer::~DenoiserTrainer() { set_gradient_checkpointing(false); }

void DenoiserTrainer::set_gradient_checkpointing(bool active) {
  models_.unet->set_gradient_checkpointing(active);
  if (models_.text_encoder) models_.text_encoder->set_gradient_checkpointing(active);
}

void DenoiserTrainer::check_text(const TextConditions& text, int64_t samples) const {
  LATENTRAY_CHECK(text.input_ids.has_value() != text.encoder_hidden_states.has_value(),
                  "ERR_INVALID_ARG", "expected either inputIds or encoderHiddenStates, found ",
                  text.input_ids ? "both" : "neither");
  LATENTRAY_CHECK(text.input_ids || !trains_text_, "ERR_INVALID_ARG",
                  "expected inputIds, since the text encoder is being trained");
  LATENTRAY_CHECK(!text.input_ids || models_.text_encoder, "ERR_INVALID_ARG",
                  "inputIds: expected a trainer that was created with a textEncoder");
  const auto& rows = text.input_ids ? *text.input_ids : *text.encoder_hidden_states;
  LATENTRAY_CHECK(rows.dim() >= 1 && rows.size(0) == samples, "ERR_SHAPE",
                  text.input_ids ? "inputIds" : "encoderHiddenStates",
                  ": expected one row for each of ", samples, " samples, found ", rows.sizes());
}

void DenoiserTrainer::check_batch(const DenoiserBatch& batch, int64_t step) const {
  loss_.check(batch.latents, step);
  const auto& latents = batch.latents.latents;
  LATENTRAY_CHECK(latents.size(1) == models_.unet->options().in_channels, "ERR_SHAPE",
                  "latents: expected ", models_.unet->options().in_channels, " channels, found ",
                  latents.sizes());
  check_text(batch.text, latents.size(0));
}

Tensor DenoiserTrainer::states_of(const TextConditions& text) {
  Tensor states =
      text.input_ids
          ? models_.text_encoder->forward({*text.input_ids, text.attention_mask}).last_hidden_state
          : *text.encoder_hidden_states;  // [N, L, D]
  if (!models_.text_projection) return states;
  return models_.text_projection(states.to(dtype_of(*models_.text_projection)));
}

Tensor DenoiserTrainer::predict(const NoisyLatents& noisy, const TextConditions& text) {
  const Autocast autocast(noisy.sample.device().type(), precision_);
  const auto dtype = dtype_of(*models_.unet);
  UNetConditions conditions;
  conditions.encoder_attention_mask = text.attention_mask;
  return models_.unet(noisy.sample.to(dtype), at::tensor(noisy.timesteps, at::kDouble),
                      states_of(text).to(dtype), conditions);  // [N, C, h, w]
}

void DenoiserTrainer::backward(const Tensor& loss, int64_t step, int64_t micro_steps) {
  // Half of a batch's gradients would be of no use.
  const CancelScope to_the_end(nullptr);
  const double scale = trainer_->begin_pass(step, micro_steps);
  try {
    (loss * scale).backward();
  } catch (...) {
    trainer_->forget();
    throw;
  }
  trainer_->end_pass();
}

DenoiserLosses DenoiserTrainer::accumulate(const DenoiserBatch& given, int64_t step,
                                           int64_t micro_steps) {
  const MeasuredConvolutions measured;
  const auto batch = on_device(given, device_of(*models_.unet));
  check_batch(batch, step);
  trainer_->check_pass(step, micro_steps);

  const at::AutoGradMode with_grad(true);
  const auto noisy = loss_.add_noise(batch.latents, step);
  const auto losses = loss_.per_sample(predict(noisy, batch.text), noisy, batch.latents);  // [N]
  const auto loss = weighted_mean(losses, batch.latents.weights);
  DenoiserLosses found{loss.item<double>(), numbers_of(losses), noisy.timesteps};
  if (!trainer_->skips_overflows()) {
    require_finite(found.per_sample, batch.latents.sample_numbers, step, "the loss");
  }
  backward(loss, step, micro_steps);
  return found;
}

std::map<std::string, Tensor> DenoiserTrainer::learned_tokens() const {
  std::map<std::string, Tensor> learned;
  if (!tokens_) return learned;
  for (const auto& [token, rows] : tokens_->rows()) learned[token] = rows.detach().clone();
  return learned;
}

StateDict DenoiserTrainer::lora() const {
  LATENTRAY_CHECK(!loras_.empty(), "ERR_INVALID_ARG",
                  "saveLora: this trainer has no adapters: create it with `lora`");
  StateDict state;
  state.metadata["format"] = "pt";
  for (const auto& lora : loras_) lora->save(state);
  return state;
}

}  // namespace latentray
