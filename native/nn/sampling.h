// Halving and doubling the resolution inside a U-Net or an autoencoder. Checked against diffusers'
// models/upsampling.py, Upsample2D, and models/downsampling.py, Downsample2D.
#pragma once

#include <array>
#include <optional>

#include "nn/layers.h"

namespace latentray::nn {

using ImageSize = std::array<int64_t, 2>;  // height, width

class Upsample2DImpl : public torch::nn::Module {
 public:
  explicit Upsample2DImpl(int64_t channels);

  // Nearest-neighbour to `size`, twice the input's size unless given, then a 3×3 convolution.
  Tensor forward(const Tensor& x, const std::optional<ImageSize>& size = std::nullopt);

 private:
  Conv2d conv_;
};
TORCH_MODULE(Upsample2D);

class Downsample2DImpl : public torch::nn::Module {
 public:
  // A 3×3 convolution of stride 2. With `padding` 0 one row below and one column at the right are
  // added (the autoencoder's form).
  Downsample2DImpl(int64_t channels, int64_t padding);

  Tensor forward(const Tensor& x);

 private:
  bool pad_after_;
  Conv2d conv_;
};
TORCH_MODULE(Downsample2D);

}  // namespace latentray::nn
