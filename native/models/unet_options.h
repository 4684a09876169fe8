// The architecture of a conditional U-Net, as its config.json describes it. Checked against
// diffusers' models/unets/unet_2d_condition.py, UNet2DConditionModel.__init__.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/config.h"

namespace latentray {

// Lists hold a value a level, from the highest resolution to the lowest.
struct UNet2DConditionOptions {
  int64_t in_channels;
  int64_t out_channels;
  std::vector<int64_t> block_out_channels;
  std::vector<bool> down_cross_attention;  // CrossAttnDownBlock2D rather than DownBlock2D
  std::vector<bool> up_cross_attention;    // the same from the lowest resolution to the highest
  std::vector<int64_t> layers_per_block;
  std::vector<int64_t> transformer_layers_per_block;
  std::vector<int64_t> num_attention_heads;
  std::vector<bool> only_cross_attention;
  int64_t cross_attention_dim;
  bool has_mid_block;
  double mid_block_scale_factor;
  bool use_linear_projection;
  int64_t norm_num_groups;
  double norm_eps;
  int64_t downsample_padding;
  int64_t conv_in_kernel;
  int64_t conv_out_kernel;
  bool center_input_sample;  // maps samples from 0 … 1 to −1 … 1 first
  bool flip_sin_to_cos;
  int64_t freq_shift;
  int64_t time_embedding_dim;
  std::optional<int64_t> time_cond_proj_dim;

  // The published config.json; what it does not say takes UNet2DConditionModel's defaults.
  // ERR_CONFIG_INVALID names a key whose value this library does not implement.
  static UNet2DConditionOptions from_config(const Config& config);
};

}  // namespace latentray
