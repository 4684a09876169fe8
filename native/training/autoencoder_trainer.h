// Trains an autoencoder in place, whole or its decoder alone: what training/autoencoder_objective.h
// asks for, step by step.
#pragma once

#include <memory>
#include <optional>

#include "training/autoencoder_objective.h"
#include "training/data_parallel.h"
#include "training/ema.h"
#include "training/loss_scaler.h"
#include "training/optimizer.h"

namespace latentray {

struct AutoencoderTrainerOptions {
  AutoencoderObjectiveOptions objective;
  std::optional<PatchDiscriminatorOptions> discriminator;  // its channels follow the model's
  std::shared_ptr<PerceptualLoss> perceptual;              // or none
  OptimizerOptions optimizer;                              // of the discriminator too
  std::optional<double> max_grad_norm;
  std::optional<EmaOptions> ema;
  uint64_t seed = 0;
  std::shared_ptr<ProcessGroup> group;  // or none
};

struct AutoencoderBatch {
  at::Tensor pixels;  // [N, C, H, W] in [-1, 1], float32 on the model's device
  // The samples' numbers in the order of the whole data: what their noise follows from.
  std::vector<uint64_t> sample_numbers;
  std::optional<at::Tensor> noise;  // [N, latent channels, h, w]; drawn where none is given
};

struct AutoencoderUpdate {
  double gradient_norm = 0;  // before clipping
  double discriminator_gradient_norm = 0;
  bool skipped = false;  // float16: a gradient overflowed
  double loss_scale = 1;
};

class AutoencoderTrainer {
 public:
  // ERR_INVALID_ARG for an autoencoder that is no AutoencoderKL, ERR_DTYPE for one that is not
  // float32, ERR_PROCESS_GROUP where the ranks start from different weights.
  AutoencoderTrainer(const std::shared_ptr<Autoencoder>& model,
                     const AutoencoderTrainerOptions& options);
  // The model computes without gradients again.
  ~AutoencoderTrainer();
  AutoencoderTrainer(const AutoencoderTrainer&) = delete;
  AutoencoderTrainer& operator=(const AutoencoderTrainer&) = delete;

  // The forward and backward pass of one of a step's `micro_steps` micro batches. ERR_NON_FINITE
  // names the step and the samples whose loss is no number.
  AutoencoderLosses accumulate(const AutoencoderBatch& given, int64_t step, int64_t micro_steps);

  // Ends a step. ERR_NON_FINITE for gradients that are not finite, unless precision is float16:
  // the step is skipped then.
  AutoencoderUpdate update(double learning_rate);

  // The averaged weights in the model, or its own again. ERR_INVALID_ARG without EMA.
  void use_average(bool average);

  // Everything that changes. The averaged weights must not be in use. The state of other options
  // (ERR_WEIGHTS_…) changes nothing.
  StateDict state() const;
  void load_state(const StateDict& state);

  // Of the autoencoder, then of the discriminator ("discriminator.main.…"), as they are.
  NamedParameters parameters() const;
  const std::shared_ptr<AutoencoderKLImpl>& model() const { return model_; }

 private:
  void begin_last_pass(int64_t step);
  void check_batch(const AutoencoderBatch& batch) const;
  at::Tensor noise_of(const AutoencoderBatch& batch, int64_t step) const;
  // Before anything of it is taken over.
  void require_state_of_these_options(const StateDict& state) const;
  void forget();

  std::shared_ptr<AutoencoderKLImpl> model_;
  AutoencoderTrainerOptions options_;
  PatchDiscriminator discriminator_{nullptr};
  std::unique_ptr<AutoencoderObjective> objective_;

  NamedParameters trained_;
  NamedParameters judging_;  // the discriminator's
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Optimizer> discriminator_optimizer_;
  std::unique_ptr<GradientAverager> averager_;
  std::unique_ptr<GradientAverager> discriminator_averager_;
  std::unique_ptr<Ema> ema_;
  std::unique_ptr<LossScaler> scaler_;  // float16

  int64_t passes_ = 0;  // of the step that is going on
  bool complete_ = false;
  int64_t step_ = 0;
  bool average_in_use_ = false;
};

}  // namespace latentray
