// The blocks of AutoencoderKL's encoder and decoder. Checked against diffusers'
// models/unets/unet_2d_blocks.py (DownEncoderBlock2D, UpDecoderBlock2D, UNetMidBlock2D) and
// models/attention_processor.py (Attention).
#pragma once

#include "nn/attention.h"
#include "nn/module_list.h"
#include "nn/resnet_block.h"
#include "nn/sampling.h"

namespace latentray {

// One-head self-attention over the pixels, with its norm and residual.
class VaeAttentionImpl : public nn::AttentionImpl {
 public:
  VaeAttentionImpl(int64_t channels, int64_t groups);
  at::Tensor forward(const at::Tensor& x);

 private:
  nn::GroupNorm group_norm_;
};
TORCH_MODULE(VaeAttention);

class VaeMidBlockImpl : public torch::nn::Module {
 public:
  VaeMidBlockImpl(int64_t channels, int64_t groups, bool add_attention);
  at::Tensor forward(const at::Tensor& x);

 private:
  nn::TypedModuleList<nn::ResnetBlock2D> resnets_;
  nn::TypedModuleList<VaeAttention> attentions_;
};
TORCH_MODULE(VaeMidBlock);

class DownEncoderBlock2DImpl : public torch::nn::Module {
 public:
  DownEncoderBlock2DImpl(int64_t in_channels, int64_t out_channels, int64_t layers, int64_t groups,
                         bool downsample);
  at::Tensor forward(const at::Tensor& x);

 private:
  nn::TypedModuleList<nn::ResnetBlock2D> resnets_;
  nn::TypedModuleList<nn::Downsample2D> downsamplers_;
};
TORCH_MODULE(DownEncoderBlock2D);

class UpDecoderBlock2DImpl : public torch::nn::Module {
 public:
  UpDecoderBlock2DImpl(int64_t in_channels, int64_t out_channels, int64_t layers, int64_t groups,
                       bool upsample);
  at::Tensor forward(const at::Tensor& x);

 private:
  nn::TypedModuleList<nn::ResnetBlock2D> resnets_;
  nn::TypedModuleList<nn::Upsample2D> upsamplers_;
};
TORCH_MODULE(UpDecoderBlock2D);

}  // namespace latentray
