// What a denoiser learns: to tell the noise in latents, or what its prediction type puts in the
// noise's place. Ho et al., "Denoising Diffusion Probabilistic Models" (2020); Salimans & Ho,
// "Progressive Distillation for Fast Sampling of Diffusion Models" (2022) for v; Hang et al.,
// "Efficient Diffusion Training via Min-SNR Weighting Strategy" (2023); Ning et al., "Input
// Perturbation Reduces Exposure Bias in Diffusion Models" (2023). Checked against diffusers'
// examples/text_to_image/train_text_to_image.py and training_utils.py (compute_snr).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "diffusion/noise_schedule.h"
#include "diffusion/prediction.h"

namespace latentray {

struct NoisePredictionOptions {
  NoiseSchedule schedule;
  PredictionType prediction_type = PredictionType::kEpsilon;
  std::optional<double> snr_gamma;  // or no weights
  double noise_offset = 0;
  double input_perturbation = 0;
  uint64_t seed = 0;
};

// N samples. What is not given of the random follows from the seed, the step and the numbers.
struct LatentBatch {
  at::Tensor latents;                   // [N, C, h, w] float32
  std::optional<at::Tensor> deviation;  // [N, C, h, w]: latents are drawn around `latents`
  std::vector<uint64_t> sample_numbers;
  std::optional<at::Tensor> noise;                // [N, C, h, w]
  std::optional<std::vector<int64_t>> timesteps;  // [N]
  std::optional<std::vector<double>> weights;     // [N], of the samples' losses
  std::optional<std::vector<bool>> prior;         // [N], those that take no min-SNR weight
  std::optional<at::Tensor> mask;                 // [N, 1, h, w], not negative
};

struct NoisyLatents {
  at::Tensor sample;              // [N, C, h, w], what the model sees
  at::Tensor target;              // [N, C, h, w], what it should say
  std::vector<double> timesteps;  // [N]
};

class NoisePredictionLoss {
 public:
  explicit NoisePredictionLoss(const NoisePredictionOptions& options) : options_(options) {}

  // ERR_SHAPE, ERR_DTYPE, ERR_INVALID_ARG or ERR_NON_FINITE name what is wrong.
  void check(const LatentBatch& batch, int64_t step) const;

  NoisyLatents add_noise(const LatentBatch& batch, int64_t step) const;

  // Each sample's mean squared error, min-SNR weight included: [N].
  at::Tensor per_sample(const at::Tensor& prediction, const NoisyLatents& noisy,
                        const LatentBatch& batch) const;

 private:
  at::Tensor target_of(const at::Tensor& latents, const at::Tensor& noise,
                       const std::vector<double>& timesteps) const;
  // [N]
  at::Tensor snr_weights(const std::vector<double>& timesteps, const LatentBatch& batch) const;

  NoisePredictionOptions options_;
};

}  // namespace latentray
