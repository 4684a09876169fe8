// Trains what predicts noise in latents, in place: a U-Net, what conditions it, adapters beside
// their weights, single tokens. Rombach et al., "High-Resolution Image Synthesis with Latent
// Diffusion Models" (2022), section 3.2; Gal et al., "An Image is Worth One Word" (2022); Hu et
// al., "LoRA" (2021). Checked against diffusers' examples (text_to_image, textual_inversion).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/text_projection.h"
#include "models/unet.h"
#include "training/noise_prediction_loss.h"
#include "training/parameter_trainer.h"
#include "training/trained_parts.h"

namespace latentray {

struct DenoiserModels {
  UNet2DConditionModel unet{nullptr};
  std::shared_ptr<TextEncoder> text_encoder;  // or none
  TextProjection text_projection{nullptr};    // or none
};

// What is trained, at least one of them.
struct TrainedDenoiserParts {
  bool unet = false;  // whole
  bool text_encoder = false;
  bool text_projection = false;
  std::optional<NewLora> unet_lora;
  std::optional<NewLora> text_encoder_lora;
  std::map<std::string, std::vector<int64_t>> tokens;  // rows of the token embedding
};

struct DenoiserTrainerOptions {
  TrainedDenoiserParts parts;
  NoisePredictionOptions loss;  // its seed is for everything that is drawn
  ParameterTrainerOptions training;
  bool gradient_checkpointing = false;
};

// What the U-Net attends to: ids for the text encoder, or its states.
struct TextConditions {
  std::optional<at::Tensor> input_ids;              // [N, L]
  std::optional<at::Tensor> encoder_hidden_states;  // [N, L, D]
  // [N, L], 0 where neither the text encoder nor the U-Net attends.
  std::optional<at::Tensor> attention_mask;
};

struct DenoiserBatch {
  LatentBatch latents;
  TextConditions text;
};

struct DenoiserLosses {
  double total = 0;                // the mean of the samples' losses, each times its weight
  std::vector<double> per_sample;  // min-SNR weight included
  std::vector<double> timesteps;
};

class DenoiserTrainer {
 public:
  // ERR_INVALID_ARG where nothing is trained, a part is missing, lies on another device, or is
  // trained in two ways; the errors of training/trained_parts.h and of ParameterTrainer.
  DenoiserTrainer(const DenoiserModels& models, const DenoiserTrainerOptions& options);
  ~DenoiserTrainer();
  DenoiserTrainer(const DenoiserTrainer&) = delete;
  DenoiserTrainer& operator=(const DenoiserTrainer&) = delete;

  // The forward and backward pass of one of a step's `micro_steps` micro batches. Where it is
  // cancelled, or refuses the batch, it adds nothing. ERR_NON_FINITE names the step and the
  // samples.
  DenoiserLosses accumulate(const DenoiserBatch& batch, int64_t step, int64_t micro_steps);

  ParameterUpdate update(double learning_rate) { return trainer_->update(learning_rate); }
  void use_average(bool average) { trainer_->use_average(average); }
  StateDict state() const { return trainer_->state(); }
  void load_state(const StateDict& state) { trainer_->load_state(state); }
  const NamedParameters& parameters() const { return trainer_->parameters(); }

  // Copies of the rows, by token.
  std::map<std::string, at::Tensor> learned_tokens() const;
  // The adapters as diffusers' file has them. ERR_INVALID_ARG without any.
  StateDict lora() const;

  const DenoiserModels& models() const { return models_; }

 private:
  void set_gradient_checkpointing(bool active);
  void check_batch(const DenoiserBatch& batch, int64_t step) const;
  void check_text(const TextConditions& text, int64_t samples) const;
  at::Tensor states_of(const TextConditions& text);
  at::Tensor predict(const NoisyLatents& noisy, const TextConditions& text);
  void backward(const at::Tensor& loss, int64_t step, int64_t micro_steps);

  DenoiserModels models_;
  NoisePredictionLoss loss_;
  at::ScalarType precision_;
  bool trains_text_ = false;  // gradients reach the text encoder

  std::vector<std::unique_ptr<TrainedModule>> whole_;
  std::vector<std::unique_ptr<TrainedLora>> loras_;
  std::unique_ptr<TrainedTokens> tokens_;
  // After what it trains, so that it goes first.
  std::unique_ptr<ParameterTrainer> trainer_;
};

}  // namespace latentray
