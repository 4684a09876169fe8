#include "models/autoencoder_kl_blocks.h"

#include <ATen/ATen.h>

#include "core/cancellation.h"

namespace latentray {

using at::Tensor;

namespace {

constexpr double kEps = 1e-6;

nn::ResnetBlock2D resnet(int64_t in_channels, int64_t out_channels, int64_t groups) {
  return nn::ResnetBlock2D(in_channels, out_channels, std::nullopt, groups, kEps);
}

}  // namespace

VaeAttentionImpl::VaeAttentionImpl(int64_t channels, int64_t groups)
    : AttentionImpl({.query_dim = channels,
                     .cross_attention_dim = std::nullopt,
                     .heads = 1,
                     .dim_head = channels,
                     .bias = true}),
      group_norm_(register_module("group_norm", nn::GroupNorm(groups, channels, kEps))) {}

Tensor VaeAttentionImpl::forward(const Tensor& x) {
  const auto pixels = group_norm_(x).flatten(2).transpose(1, 2);         // [N, H·W, C]
  const auto attended = AttentionImpl::forward(pixels).transpose(1, 2);  // [N, C, H·W]
  return x + attended.unflatten(2, x.sizes().slice(2));                  // [N, C, H, W]
}

VaeMidBlockImpl::VaeMidBlockImpl(int64_t channels, int64_t groups, bool add_attention)
    : resnets_(register_module("resnets", nn::TypedModuleList<nn::ResnetBlock2D>())),
      attentions_(register_module("attentions", nn::TypedModuleList<VaeAttention>())) {
  resnets_->push_back(resnet(channels, channels, groups));
  if (add_attention) attentions_->push_back(VaeAttention(channels, groups));
  resnets_->push_back(resnet(channels, channels, groups));
}

Tensor VaeMidBlockImpl::forward(const Tensor& x) {
  cancellation_point();
  auto hidden = resnets_[0](x);
  for (auto& attention : attentions_) hidden = attention(hidden);
  return resnets_[1](hidden);
}

DownEncoderBlock2DImpl::DownEncoderBlock2DImpl(int64_t in_channels, int64_t out_channels,
                                               int64_t layers, int64_t groups, bool downsample)
    : resnets_(register_module("resnets", nn::TypedModuleList<nn::ResnetBlock2D>())),
      downsamplers_(register_module("downsamplers", nn::TypedModuleList<nn::Downsample2D>())) {
  for (int64_t i = 0; i < layers; ++i) {
    resnets_->push_back(resnet(i == 0 ? in_channels : out_channels, out_channels, groups));
  }
  if (downsample) downsamplers_->push_back(nn::Downsample2D(out_channels, /*padding=*/0));
}

Tensor DownEncoderBlock2DImpl::forward(const Tensor& x) {
  auto hidden = x;
  for (auto& block : resnets_) {
    cancellation_point();
    hidden = block(hidden);
  }
  for (auto& downsampler : downsamplers_) hidden = downsampler(hidden);  // [N, C, H/2, W/2]
  return hidden;
}

UpDecoderBlock2DImpl::UpDecoderBlock2DImpl(int64_t in_channels, int64_t out_channels,
                                           int64_t layers, int64_t groups, bool upsample)
    : resnets_(register_module("resnets", nn::TypedModuleList<nn::ResnetBlock2D>())),
      upsamplers_(register_module("upsamplers", nn::TypedModuleList<nn::Upsample2D>())) {
  for (int64_t i = 0; i < layers; ++i) {
    resnets_->push_back(resnet(i == 0 ? in_channels : out_channels, out_channels, groups));
  }
  if (upsample) upsamplers_->push_back(nn::Upsample2D(out_channels));
}

Tensor UpDecoderBlock2DImpl::forward(const Tensor& x) {
  auto hidden = x;
  for (auto& block : resnets_) {
    cancellation_point();
    hidden = block(hidden);
  }
  for (auto& upsampler : upsamplers_) hidden = upsampler(hidden);  // [N, C, 2H, 2W]
  return hidden;
}

}  // namespace latentray
