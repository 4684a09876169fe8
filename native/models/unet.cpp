#include "models/unet.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace latentray {

namespace {

void add_residuals(std::vector<Tensor>& skips, const std::vector<Tensor>& residuals) {
  LATENTRAY_CHECK(residuals.size() == skips.size(), "ERR_INVALID_ARG",
                  "down_block_additional_residuals: expected ", skips.size(), " tensors, found ",
                  residuals.size());
  for (size_t i = 0; i < skips.size(); ++i) {
    LATENTRAY_CHECK(residuals[i].sizes() == skips[i].sizes(), "ERR_SHAPE",
                    "down_block_additional_residuals[", i, "]: expected shape ", skips[i].sizes(),
                    ", found ", residuals[i].sizes());
    skips[i] = skips[i] + residuals[i];
  }
}

Tensor with_residual(const Tensor& hidden, const Tensor& residual) {
  LATENTRAY_CHECK(residual.sizes() == hidden.sizes(), "ERR_SHAPE",
                  "mid_block_additional_residual: expected shape ", hidden.sizes(), ", found ",
                  residual.sizes());
  return hidden + residual;
}

}  // namespace

UNet2DConditionModelImpl::UNet2DConditionModelImpl(const UNet2DConditionOptions& options)
    : UNetEncoderImpl(options),
      up_blocks_(register_module("up_blocks", nn::TypedModuleList<UNetUpBlock2D>())),
      conv_norm_out_(register_module(
          "conv_norm_out", nn::GroupNorm(options.norm_num_groups,
                                         options.block_out_channels.front(), options.norm_eps))),
      conv_out_(register_module(
          "conv_out", nn::Conv2d(options.block_out_channels.front(), options.out_channels,
                                 options.conv_out_kernel, 1, (options.conv_out_kernel - 1) / 2))) {
  const auto& channels = options.block_out_channels;
  const size_t lowest = channels.size() - 1;
  for (size_t i = 0; i <= lowest; ++i) {
    const size_t level = lowest - i;
    auto up_options = unet_level_options(options, level, options.up_cross_attention[i]);
    up_options.num_layers += 1;  // the extra one takes the skip of the level's input
    const int64_t in_channels = channels[level == 0 ? 0 : level - 1];
    const int64_t prev_channels = channels[level == lowest ? lowest : level + 1];
    up_blocks_->push_back(UNetUpBlock2D(up_options, in_channels, prev_channels, level != 0));
  }
}

Tensor UNet2DConditionModelImpl::forward(const Tensor& sample, const Tensor& timestep,
                                         const Tensor& encoder_hidden_states,
                                         const UNetConditions& conditions) {
  check_inputs(sample, timestep, encoder_hidden_states, conditions.encoder_attention_mask);
  check_conditions(conditions, sample.size(0));
  const auto context = embed(sample, timestep, encoder_hidden_states,
                             conditions.encoder_attention_mask, conditions.timestep_cond);

  std::vector<Tensor> skips;
  auto hidden =
      descend(conv_in_(options_.center_input_sample ? 2 * sample - 1 : sample), context, skips);
  if (conditions.mid_block_additional_residual) {
    add_residuals(skips, conditions.down_block_additional_residuals);
  }
  if (mid_block_) hidden = mid_block_(hidden, context);
  if (conditions.mid_block_additional_residual) {
    hidden = with_residual(hidden, *conditions.mid_block_additional_residual);
  }

  for (auto& block : up_blocks_) hidden = block(hidden, context, skips);
  return conv_out_(at::silu(conv_norm_out_(hidden))).contiguous();  // [N, out, H, W]
}

void UNet2DConditionModelImpl::check_conditions(const UNetConditions& conditions,
                                                int64_t batch) const {
  LATENTRAY_CHECK(conditions.mid_block_additional_residual.has_value() ==
                      !conditions.down_block_additional_residuals.empty(),
                  "ERR_INVALID_ARG",
                  "mid_block_additional_residual and down_block_additional_residuals: expected "
                  "both or neither");
  if (!conditions.timestep_cond) return;
  LATENTRAY_CHECK(options_.time_cond_proj_dim, "ERR_INVALID_ARG",
                  "timestep_cond: this network's config has no time_cond_proj_dim");
  const std::vector<int64_t> expected{batch, *options_.time_cond_proj_dim};
  LATENTRAY_CHECK(conditions.timestep_cond->sizes() == at::IntArrayRef(expected), "ERR_SHAPE",
                  "timestep_cond: expected ", at::IntArrayRef(expected), ", found ",
                  conditions.timestep_cond->sizes());
}

}  // namespace latentray
