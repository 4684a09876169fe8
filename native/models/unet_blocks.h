// One level of the conditional U-Net on the way down, at the bottom and on the way up. Ronneberger
// et al., "U-Net" (2015); Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion
// Models" (2022). Checked against diffusers' models/unets/unet_2d_blocks.py.
#pragma once

#include <optional>
#include <vector>

#include "nn/module_list.h"
#include "nn/resnet_block.h"
#include "nn/sampling.h"
#include "nn/transformer_2d.h"

namespace latentray {

using torch::Tensor;

// What every layer of a level has in common.
struct UNetLevelOptions {
  int64_t channels;
  int64_t temb_channels;
  int64_t num_layers;
  int64_t norm_num_groups = 32;
  double norm_eps = 1e-5;
  double output_scale_factor = 1.0;
  // Set where a transformer follows each residual block.
  std::optional<nn::TransformerOptions> transformer;
};

// What the whole network knows of the step and the text.
struct UNetContext {
  Tensor temb;  // [N, temb_channels]
  nn::CrossAttentionInput text;
  bool gradient_checkpointing = false;
};

// DownBlock2D, or CrossAttnDownBlock2D where the options hold a transformer.
class UNetDownBlock2DImpl : public torch::nn::Module {
 public:
  // `downsample_padding` is unset at the lowest level, which keeps the resolution.
  UNetDownBlock2DImpl(const UNetLevelOptions& options, int64_t in_channels,
                      std::optional<int64_t> downsample_padding);

  // x [N, in, H, W] → [N, channels, ⌈H/2⌉, ⌈W/2⌉]. Each layer's output is appended to `skips`.
  Tensor forward(Tensor x, const UNetContext& context, std::vector<Tensor>& skips);

 private:
  nn::TypedModuleList<nn::ResnetBlock2D> resnets_;
  nn::TypedModuleList<nn::Transformer2DModel> attentions_;
  nn::TypedModuleList<nn::Downsample2D> downsamplers_;
};
TORCH_MODULE(UNetDownBlock2D);

class UNetMidBlock2DCrossAttnImpl : public torch::nn::Module {
 public:
  explicit UNetMidBlock2DCrossAttnImpl(const UNetLevelOptions& options);

  // x [N, channels, H, W] → the same shape
  Tensor forward(Tensor x, const UNetContext& context);

 private:
  nn::TypedModuleList<nn::ResnetBlock2D> resnets_;
  nn::TypedModuleList<nn::Transformer2DModel> attentions_;
};
TORCH_MODULE(UNetMidBlock2DCrossAttn);

// UpBlock2D, or CrossAttnUpBlock2D where the options hold a transformer.
class UNetUpBlock2DImpl : public torch::nn::Module {
 public:
  // `prev_channels` comes from the level below; the last layer's skip has `in_channels`, the
  // others' `channels`.
  UNetUpBlock2DImpl(const UNetLevelOptions& options, int64_t in_channels, int64_t prev_channels,
                    bool add_upsample);

  // x [N, prev, H, W] → [N, channels, H', W']. Takes a skip a layer from the end of `skips`; H' and
  // W' are those of the next skip, so that sizes which halve unevenly on the way down come back.
  Tensor forward(Tensor x, const UNetContext& context, std::vector<Tensor>& skips);

 private:
  nn::TypedModuleList<nn::ResnetBlock2D> resnets_;
  nn::TypedModuleList<nn::Transformer2DModel> attentions_;
  nn::TypedModuleList<nn::Upsample2D> upsamplers_;
};
TORCH_MODULE(UNetUpBlock2D);

}  // namespace latentray
