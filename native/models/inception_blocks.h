// The blocks of Inception v3, named as torchvision names them.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <array>

#include "nn/batch_norm.h"

namespace latentray {

// What a block's pooling branch does.
enum class InceptionPool {
  kAverage,       // zeros of the border count (torchvision)
  kInnerAverage,  // they do not (FID)
  kMaximum,       // FID's last block
};

struct ConvShape {
  int64_t out;
  std::array<int64_t, 2> kernel = {1, 1};
  int64_t stride = 1;
  std::array<int64_t, 2> padding = {0, 0};
};

// Convolution, normalisation, ReLU.
class BasicConv2dImpl : public torch::nn::Module {
 public:
  BasicConv2dImpl(int64_t in_channels, const ConvShape& shape);
  at::Tensor forward(const at::Tensor& x);

 private:
  struct ConvImpl;
  std::shared_ptr<ConvImpl> conv_;
  nn::BatchNorm2d bn_;
};
TORCH_MODULE(BasicConv2d);

// One of the five kinds of block, as a graph of BasicConv2d's.
class InceptionBlock : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const at::Tensor& x) = 0;

 protected:
  BasicConv2d add(const char* name, int64_t in_channels, const ConvShape& shape) {
    return register_module(name, BasicConv2d(in_channels, shape));
  }
};

using InceptionBlockPtr = std::shared_ptr<InceptionBlock>;

InceptionBlockPtr inception_a(int64_t in_channels, int64_t pool_features, InceptionPool pool);
InceptionBlockPtr inception_b(int64_t in_channels);
InceptionBlockPtr inception_c(int64_t in_channels, int64_t channels_7x7, InceptionPool pool);
InceptionBlockPtr inception_d(int64_t in_channels);
InceptionBlockPtr inception_e(int64_t in_channels, InceptionPool pool);

}  // namespace latentray
