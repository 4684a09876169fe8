// A network that judges patches of an image as real or made: Isola et al., "Image-to-Image
// Translation with Conditional Adversarial Networks" (2017), trained with the hinge loss as in
// Esser et al., "Taming Transformers for High-Resolution Image Synthesis" (2021). Checked against
// CompVis/taming-transformers' taming/modules/discriminator/model.py (NLayerDiscriminator) and
// taming/modules/losses/vqperceptual.py.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "nn/layers.h"

namespace latentray {

struct PatchDiscriminatorOptions {
  int64_t in_channels = 3;
  // Of the first convolution; each of the next has twice as many, up to eight times.
  int64_t channels = 64;
  // Halvings of the image's sides. 3 judges patches of 70 × 70 pixels.
  int64_t layers = 3;
};

// Normalises by the batch's own statistics, as while training.
class BatchNorm2dImpl : public torch::nn::Module {
 public:
  explicit BatchNorm2dImpl(int64_t channels);
  at::Tensor forward(const at::Tensor& x);

  at::Tensor weight;  // [C]
  at::Tensor bias;    // [C]
};
TORCH_MODULE(BatchNorm2d);

class PatchDiscriminatorImpl : public torch::nn::Module {
 public:
  // Weights are drawn from `seed`.
  PatchDiscriminatorImpl(const PatchDiscriminatorOptions& options, uint64_t seed);

  // image [N, C, H, W] in [-1, 1] → one number a patch [N, 1, h, w], above 0 for real. ERR_SHAPE
  // for an image that is smaller than a patch.
  at::Tensor forward(const at::Tensor& image);

 private:
  struct Layer {
    nn::Conv2d convolution{nullptr};
    BatchNorm2d norm{nullptr};  // none for the first and the last
  };
  void add_layer(int64_t in, int64_t out, int64_t stride, bool with_norm);
  void draw_weights(uint64_t seed);

  PatchDiscriminatorOptions options_;
  std::shared_ptr<torch::nn::Module> main_;
  int64_t index_ = 0;  // in the published list, which counts activations too
  std::vector<Layer> layers_;
};
TORCH_MODULE(PatchDiscriminator);

// What the discriminator minimises: real above 1 and made below −1 cost nothing.
at::Tensor discriminator_hinge_loss(const at::Tensor& real, const at::Tensor& made);

}  // namespace latentray
