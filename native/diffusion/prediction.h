// What a diffusion model predicts, and the clean sample x0 or the noise ε that follows from it. The
// noisy sample is α·x0 + σ·ε. Salimans & Ho, "Progressive Distillation for Fast Sampling of
// Diffusion Models" (2022), for v; Saharia et al., "Photorealistic Text-to-Image Diffusion Models
// with Deep Language Understanding" (2022), section 2.3, for dynamic thresholding.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "diffusion/config_reader.h"

namespace latentray {

enum class PredictionType { kEpsilon, kVPrediction, kSample };

// Key `prediction_type`. `allowed`: what the class implements.
PredictionType read_prediction_type(ConfigReader& config,
                                    const std::vector<std::string>& allowed = {"epsilon", "sample",
                                                                               "v_prediction"});

// All tensors [N, C, H, W].
at::Tensor predict_x0(PredictionType type, const at::Tensor& model_output, const at::Tensor& sample,
                      float alpha, float sigma);
at::Tensor predict_epsilon(PredictionType type, const at::Tensor& model_output,
                           const at::Tensor& sample, float alpha, float sigma);
// The same where the noisy sample is x0 + σ·ε and the model saw it divided by sqrt(σ² + 1).
at::Tensor predict_x0_at_sigma(PredictionType type, const at::Tensor& model_output,
                               const at::Tensor& sample, float sigma);

// Keeps a predicted x0 within bounds: each image by a quantile of its own, or all by a fixed range.
struct SampleLimits {
  bool clip_sample = false;
  double clip_sample_range = 1.0;
  bool thresholding = false;                  // takes precedence
  double dynamic_thresholding_ratio = 0.995;  // the quantile, 0 to 1
  double sample_max_value = 1.0;              // the largest bound

  // Keys `thresholding` and `dynamic_thresholding_ratio`.
  void read_thresholding(ConfigReader& config);

  at::Tensor apply(const at::Tensor& x0) const;
};

}  // namespace latentray
