#include "nn/resnet_block.h"

#include <ATen/ATen.h>

#include "core/cancellation.h"

namespace latentray::nn {

ResnetBlock2DImpl::ResnetBlock2DImpl(int64_t in_channels, int64_t out_channels,
                                     std::optional<int64_t> temb_channels, int64_t groups,
                                     double eps, double output_scale_factor)
    : output_scale_factor_(output_scale_factor),
      norm1_(register_module("norm1", GroupNorm(groups, in_channels, eps))),
      conv1_(register_module("conv1", Conv2d(in_channels, out_channels, 3, 1, 1))),
      norm2_(register_module("norm2", GroupNorm(groups, out_channels, eps))),
      conv2_(register_module("conv2", Conv2d(out_channels, out_channels, 3, 1, 1))) {
  if (temb_channels) {
    time_emb_proj_ = register_module("time_emb_proj", Linear(*temb_channels, out_channels));
  }
  if (in_channels != out_channels) {
    conv_shortcut_ = register_module("conv_shortcut", Conv2d(in_channels, out_channels, 1));
  }
}

Tensor ResnetBlock2DImpl::forward(const Tensor& x, const std::optional<Tensor>& temb) {
  cancellation_point();
  auto hidden = conv1_(at::silu(norm1_(x)));  // [N, out, H, W]
  if (temb && time_emb_proj_) {
    hidden = hidden + time_emb_proj_(at::silu(*temb)).unsqueeze(-1).unsqueeze(-1);
  }
  hidden = conv2_(at::silu(norm2_(hidden)));

  const auto shortcut = conv_shortcut_ ? conv_shortcut_(x) : x;
  const auto sum = shortcut + hidden;
  return output_scale_factor_ == 1.0 ? sum : sum / output_scale_factor_;
}

}  // namespace latentray::nn
