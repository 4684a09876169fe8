#include "models/unet_blocks.h"

#include <ATen/ATen.h>

#include "nn/gradient_checkpointing.h"

namespace latentray {

namespace {

nn::ResnetBlock2D resnet(const UNetLevelOptions& options, int64_t in_channels) {
  return nn::ResnetBlock2D(in_channels, options.channels, options.temb_channels,
                           options.norm_num_groups, options.norm_eps, options.output_scale_factor);
}

// The units that gradient checkpointing computes again.
Tensor run_unit(const nn::ResnetBlock2D& resnet, const Tensor& x, const UNetContext& context) {
  return nn::run_block(context.gradient_checkpointing, {x, context.temb},
                       [resnet = resnet.ptr()](const std::vector<Tensor>& inputs) {
                         return resnet->forward(inputs[0], inputs[1]);
                       });
}

Tensor run_unit(const nn::Transformer2DModel& transformer, const Tensor& x,
                const UNetContext& context) {
  return nn::run_block(context.gradient_checkpointing, {x, context.text.encoder_hidden_states},
                       [transformer = transformer.ptr(),
                        bias = context.text.bias](const std::vector<Tensor>& inputs) {
                         return transformer->forward(inputs[0], {inputs[1], bias});
                       });
}

Tensor take_last(std::vector<Tensor>& skips) {
  Tensor last = std::move(skips.back());
  skips.pop_back();
  return last;
}

}  // namespace

UNetDownBlock2DImpl::UNetDownBlock2DImpl(const UNetLevelOptions& options, int64_t in_channels,
                                         std::optional<int64_t> downsample_padding)
    : resnets_(register_module("resnets", nn::TypedModuleList<nn::ResnetBlock2D>())),
      attentions_(register_module("attentions", nn::TypedModuleList<nn::Transformer2DModel>())),
      downsamplers_(register_module("downsamplers", nn::TypedModuleList<nn::Downsample2D>())) {
  for (int64_t i = 0; i < options.num_layers; ++i) {
    resnets_->push_back(resnet(options, i == 0 ? in_channels : options.channels));
    if (options.transformer) {
      attentions_->push_back(nn::Transformer2DModel(*options.transformer));
    }
  }
  if (downsample_padding) {
    downsamplers_->push_back(nn::Downsample2D(options.channels, *downsample_padding));
  }
}

Tensor UNetDownBlock2DImpl::forward(Tensor x, const UNetContext& context,
                                    std::vector<Tensor>& skips) {
  for (size_t i = 0; i < resnets_->size(); ++i) {
    x = run_unit(resnets_[i], x, context);  // [N, channels, H, W]
    if (!attentions_->empty()) x = run_unit(attentions_[i], x, context);
    skips.push_back(x);
  }
  for (auto& downsample : downsamplers_) {
    x = downsample(x);  // [N, channels, ⌈H/2⌉, ⌈W/2⌉]
    skips.push_back(x);
  }
  return x;
}

UNetMidBlock2DCrossAttnImpl::UNetMidBlock2DCrossAttnImpl(const UNetLevelOptions& options)
    : resnets_(register_module("resnets", nn::TypedModuleList<nn::ResnetBlock2D>())),
      attentions_(register_module("attentions", nn::TypedModuleList<nn::Transformer2DModel>())) {
  resnets_->push_back(resnet(options, options.channels));
  for (int64_t i = 0; i < options.num_layers; ++i) {
    attentions_->push_back(nn::Transformer2DModel(*options.transformer));
    resnets_->push_back(resnet(options, options.channels));
  }
}

Tensor UNetMidBlock2DCrossAttnImpl::forward(Tensor x, const UNetContext& context) {
  x = run_unit(resnets_[0], x, context);
  for (size_t i = 0; i < attentions_->size(); ++i) {
    x = run_unit(attentions_[i], x, context);
    x = run_unit(resnets_[i + 1], x, context);
  }
  return x;
}

UNetUpBlock2DImpl::UNetUpBlock2DImpl(const UNetLevelOptions& options, int64_t in_channels,
                                     int64_t prev_channels, bool add_upsample)
    : resnets_(register_module("resnets", nn::TypedModuleList<nn::ResnetBlock2D>())),
      attentions_(register_module("attentions", nn::TypedModuleList<nn::Transformer2DModel>())),
      upsamplers_(register_module("upsamplers", nn::TypedModuleList<nn::Upsample2D>())) {
  for (int64_t i = 0; i < options.num_layers; ++i) {
    const bool last = i == options.num_layers - 1;
    const int64_t skip_channels = last ? in_channels : options.channels;
    const int64_t layer_channels = i == 0 ? prev_channels : options.channels;
    resnets_->push_back(resnet(options, layer_channels + skip_channels));
    if (options.transformer) {
      attentions_->push_back(nn::Transformer2DModel(*options.transformer));
    }
  }
  if (add_upsample) upsamplers_->push_back(nn::Upsample2D(options.channels));
}

Tensor UNetUpBlock2DImpl::forward(Tensor x, const UNetContext& context,
                                  std::vector<Tensor>& skips) {
  for (size_t i = 0; i < resnets_->size(); ++i) {
    x = at::cat({x, take_last(skips)}, 1);  // [N, prev or channels + skip, H, W]
    x = run_unit(resnets_[i], x, context);  // [N, channels, H, W]
    if (!attentions_->empty()) x = run_unit(attentions_[i], x, context);
  }
  for (auto& upsample : upsamplers_) {
    const auto& next = skips.back();
    x = upsample(x, nn::ImageSize{next.size(2), next.size(3)});  // [N, channels, H', W']
  }
  return x;
}

}  // namespace latentray
