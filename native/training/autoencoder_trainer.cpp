#include "training/autoencoder_trainer.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"
#include "nn/module_parameters.h"
#include "training/finite_samples.h"
#include "training/measured_convolutions.h"
#include "training/sample_random.h"
#include "training/trainer_state.h"

namespace latentray {

using at::Tensor;

namespace {

constexpr const char* kModel = "model.";
constexpr const char* kOptimizer = "optimizer.";
constexpr const char* kDiscriminator = "discriminator.";
constexpr const char* kDiscriminatorOptimizer = "discriminator_optimizer.";
constexpr const char* kEma = "ema.";
constexpr const char* kLossScaler = "loss_scaler.";

std::shared_ptr<AutoencoderKLImpl> trainable_model(const std::shared_ptr<Autoencoder>& model) {
  auto trainable = std::dynamic_pointer_cast<AutoencoderKLImpl>(model);
  LATENTRAY_CHECK(trainable, "ERR_INVALID_ARG",
                  "autoencoder: expected an AutoencoderKL; a tiny autoencoder is not trained here");
  const auto dtype = nn::first_parameter(*trainable).scalar_type();
  LATENTRAY_CHECK(dtype == at::kFloat, "ERR_DTYPE", "autoencoder: expected float32, found ", dtype,
                  ". Load it with dtype 'float32', and train with precision 'bfloat16' for speed");
  return trainable;
}

NamedParameters parameters_with_gradients(const torch::nn::Module& module) {
  NamedParameters named;
  for (const auto& entry : module.named_parameters()) {
    if (entry.value().requires_grad()) named.emplace_back(entry.key(), entry.value());
  }
  return named;
}

}  // namespace

AutoencoderTrainer::AutoencoderTrainer(const std::shared_ptr<Autoencoder>& model,
                                       const AutoencoderTrainerOptions& options)
    : model_(trainable_model(model)), options_(options) {
  const auto device = nn::first_parameter(*model_).device();
  if (options_.discriminator) {
    auto discriminator = *options_.discriminator;
    discriminator.in_channels = model_->latent_space().pixel_channels;
    discriminator_ = PatchDiscriminator(
        discriminator, mix_seed(options_.seed, RandomPurpose::kDiscriminator, 0, 0));
    discriminator_->to(device);
    judging_ = parameters_with_gradients(*discriminator_);
    discriminator_optimizer_ = make_optimizer(options_.optimizer, judging_);
  }
  objective_ = std::make_unique<AutoencoderObjective>(model_, options_.perceptual, discriminator_,
                                                      options_.objective);
  trained_ = parameters_with_gradients(*model_);
  optimizer_ = make_optimizer(options_.optimizer, trained_);
  if (options_.ema) ema_ = std::make_unique<Ema>(*options_.ema, trained_);
  if (options_.objective.precision == at::kHalf) scaler_ = std::make_unique<LossScaler>(device);
  if (!options_.group || options_.group->world_size() == 1) return;
  require_equal_parameters(*options_.group, parameters());
  averager_ = std::make_unique<GradientAverager>(options_.group, trained_);
  if (!judging_.empty()) {
    discriminator_averager_ = std::make_unique<GradientAverager>(options_.group, judging_);
  }
}

AutoencoderTrainer::~AutoencoderTrainer() {
  forget_gradients(trained_);
  for (auto& [name, parameter] : trained_) parameter.requires_grad_(false);
}

NamedParameters AutoencoderTrainer::parameters() const {
  NamedParameters all = trained_;
  for (const auto& [name, parameter] : judging_) all.emplace_back(kDiscriminator + name, parameter);
  return all;
}

void AutoencoderTrainer::check_batch(const AutoencoderBatch& batch) const {
  model_->check_pixels(batch.pixels);
  LATENTRAY_CHECK(batch.pixels.size(0) > 0 &&
                      static_cast<size_t>(batch.pixels.size(0)) == batch.sample_numbers.size(),
                  "ERR_SHAPE", "sampleNumbers: expected one for each of ", batch.pixels.size(0),
                  " images, at least one; found ", batch.sample_numbers.size());
}

Tensor AutoencoderTrainer::noise_of(const AutoencoderBatch& batch, int64_t step) const {
  if (batch.noise) return batch.noise->to(batch.pixels.device(), at::kFloat);
  const auto& space = model_->latent_space();
  return randn_of_samples(options_.seed, RandomPurpose::kLatentNoise, step, batch.sample_numbers,
                          {space.latent_channels, batch.pixels.size(2) / space.downscale,
                           batch.pixels.size(3) / space.downscale})
      .to(batch.pixels.device());
}

AutoencoderLosses AutoencoderTrainer::accumulate(const AutoencoderBatch& given, int64_t step,
                                                 int64_t micro_steps) {
  const MeasuredConvolutions measured;
  auto batch = given;
  batch.pixels = batch.pixels.to(nn::first_parameter(*model_).device());
  check_batch(batch);
  LATENTRAY_CHECK(!average_in_use_, "ERR_INVALID_ARG",
                  "the averaged weights are in the model: put its own back before training on");
  LATENTRAY_CHECK(!complete_ && passes_ < micro_steps, "ERR_INVALID_ARG", "step ", step,
                  " has its ", passes_, " micro batches: update() ends it");
  const bool is_last = passes_ + 1 == micro_steps;
  if (is_last) begin_last_pass(step);
  const double scale = (scaler_ ? scaler_->scale() : 1.0) / static_cast<double>(micro_steps);
  const auto losses = objective_->accumulate(batch.pixels, noise_of(batch, step), step, scale);
  step_ = step;
  ++passes_;
  complete_ = is_last;
  if (std::isfinite(losses.total) || scaler_) return losses;
  forget();
  require_finite(losses.per_sample, batch.sample_numbers, step, "the loss");
  return losses;
}

void AutoencoderTrainer::begin_last_pass(int64_t step) {
  if (averager_) averager_->begin();
  if (discriminator_averager_ && objective_->discriminator_is_active(step)) {
    discriminator_averager_->begin();
  }
}

AutoencoderUpdate AutoencoderTrainer::update(double learning_rate) {
  LATENTRAY_CHECK(complete_, "ERR_INVALID_ARG",
                  "update: expected all of the step's micro batches first; found ", passes_);
  const bool judges = objective_->discriminator_is_active(step_);
  if (averager_) averager_->finish();
  if (discriminator_averager_ && judges) discriminator_averager_->finish();

  AutoencoderUpdate result;
  const auto all = parameters();
  if (scaler_) result.loss_scale = scaler_->scale();
  const bool finite = scaler_ ? scaler_->unscale(all) : gradients_are_finite(all);
  if (scaler_) scaler_->update(finite);
  if (!finite) {
    forget();
    result.skipped = true;
    LATENTRAY_CHECK(scaler_, "ERR_NON_FINITE", "step ", step_,
                    ": a gradient is not a finite number. Lower the learning rate");
    return result;
  }
  result.gradient_norm = clip_gradients(trained_, options_.max_grad_norm);
  optimizer_->step(learning_rate);
  if (judges) {
    result.discriminator_gradient_norm = clip_gradients(judging_, options_.max_grad_norm);
    discriminator_optimizer_->step(learning_rate);
  }
  if (ema_) ema_->update();
  forget();
  return result;
}

void AutoencoderTrainer::forget() {
  forget_gradients(trained_);
  forget_gradients(judging_);
  passes_ = 0;
  complete_ = false;
}

void AutoencoderTrainer::use_average(bool average) {
  LATENTRAY_CHECK(ema_, "ERR_INVALID_ARG", "this trainer keeps no average: create it with `ema`");
  if (average == average_in_use_) return;
  ema_->swap();
  average_in_use_ = average;
}

StateDict AutoencoderTrainer::state() const {
  LATENTRAY_CHECK(!average_in_use_, "ERR_INVALID_ARG",
                  "the averaged weights are in the model: put its own back before saving");
  StateDict state;
  save_parameters(state, kModel, trained_);
  optimizer_->save(state, kOptimizer);
  if (discriminator_) {
    save_parameters(state, kDiscriminator, judging_);
    discriminator_optimizer_->save(state, kDiscriminatorOptimizer);
  }
  if (ema_) ema_->save(state, kEma);
  if (scaler_) scaler_->save(state, kLossScaler);
  return state;
}

void AutoencoderTrainer::require_state_of_these_options(const StateDict& other) const {
  const StateDict own = state();
  for (const auto& [key, tensor] : own.tensors) {
    // An optimizer has no tensors before its first step.
    if (key.starts_with(kOptimizer) || key.starts_with(kDiscriminatorOptimizer)) continue;
    tensor_of(other, key, tensor.sizes());
  }
  for (const auto& [key, text] : own.metadata) integer_of(other, key);
}

void AutoencoderTrainer::load_state(const StateDict& state) {
  LATENTRAY_CHECK(!average_in_use_, "ERR_INVALID_ARG",
                  "the averaged weights are in the model: put its own back before loading");
  require_state_of_these_options(state);
  forget();
  load_parameters(state, kModel, trained_);
  optimizer_->load(state, kOptimizer);
  if (discriminator_) {
    load_parameters(state, kDiscriminator, judging_);
    discriminator_optimizer_->load(state, kDiscriminatorOptimizer);
  }
  if (ema_) ema_->load(state, kEma);
  if (scaler_) scaler_->load(state, kLossScaler);
}

}  // namespace latentray
