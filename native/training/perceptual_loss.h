// LPIPS: how different two images look to a network that was trained to recognise things. Zhang et
// al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (2018). Checked
// against lpips/lpips.py of richzhang/PerceptualSimilarity (LPIPS, net='vgg', version 0.1).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "weights/state_dict.h"

namespace latentray {

class PerceptualLoss {
 public:
  // `features`: torchvision's vgg16 (features.0.weight …; its classifier is not used). `linear`:
  // lpips' vgg.pth (lin0.model.1.weight … lin4). ERR_WEIGHTS_MISSING_KEY, ERR_WEIGHTS_SHAPE.
  PerceptualLoss(const StateDict& features, const StateDict& linear, at::Device device);

  // image, reference [N, C, H, W] in [-1, 1], C 3 or 1 (grey), at least 16 × 16 → [N]. Gradients
  // reach `image` alone.
  at::Tensor forward(const at::Tensor& image, const at::Tensor& reference) const;

 private:
  struct Convolution {
    at::Tensor weight;
    at::Tensor bias;
  };
  static constexpr size_t kLevels = 5;

  std::array<at::Tensor, kLevels> features_of(const at::Tensor& image) const;

  std::array<std::vector<Convolution>, kLevels> levels_;
  std::array<at::Tensor, kLevels> weights_;  // [1, C, 1, 1] each
  at::Tensor shift_;
  at::Tensor scale_;
};

}  // namespace latentray
