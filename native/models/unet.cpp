#include "models/unet.h"

#include <ATen/ATen.h>

#include "core/dtype.h"
#include "core/error.h"

namespace latentray {

namespace {

// Added to the score of a token that is not attended to. Not minus infinity: a row without any
// token would turn into NaN.
constexpr double kMaskedScore = -10000.0;

UNetLevelOptions level_options(const UNet2DConditionOptions& options, size_t level,
                               bool cross_attention) {
  UNetLevelOptions result;
  result.channels = options.block_out_channels[level];
  result.temb_channels = options.time_embedding_dim;
  result.num_layers = options.layers_per_block[level];
  result.norm_num_groups = options.norm_num_groups;
  result.norm_eps = options.norm_eps;
  if (cross_attention) {
    nn::TransformerOptions transformer;
    transformer.channels = result.channels;
    transformer.heads = options.num_attention_heads[level];
    transformer.cross_attention_dim = options.cross_attention_dim;
    transformer.num_layers = options.transformer_layers_per_block[level];
    transformer.norm_num_groups = options.norm_num_groups;
    transformer.use_linear_projection = options.use_linear_projection;
    transformer.only_cross_attention = options.only_cross_attention[level];
    result.transformer = transformer;
  }
  return result;
}

UNetLevelOptions mid_options(const UNet2DConditionOptions& options) {
  auto result = level_options(options, options.block_out_channels.size() - 1, true);
  result.num_layers = 1;
  result.output_scale_factor = options.mid_block_scale_factor;
  result.transformer->only_cross_attention = false;
  return result;
}

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

Tensor attention_bias(const Tensor& mask, at::ScalarType dtype) {
  const auto attended = mask.to(dtype).unsqueeze(1).unsqueeze(1);  // [N, 1, 1, L]
  return (1 - attended) * kMaskedScore;
}

}  // namespace

UNet2DConditionModelImpl::UNet2DConditionModelImpl(const UNet2DConditionOptions& options)
    : options_(options),
      conv_in_(register_module(
          "conv_in", nn::Conv2d(options.in_channels, options.block_out_channels.front(),
                                options.conv_in_kernel, 1, (options.conv_in_kernel - 1) / 2))),
      time_embedding_(register_module(
          "time_embedding",
          nn::TimestepEmbedding(options.block_out_channels.front(), options.time_embedding_dim,
                                options.time_cond_proj_dim))),
      down_blocks_(register_module("down_blocks", nn::TypedModuleList<UNetDownBlock2D>())),
      up_blocks_(register_module("up_blocks", nn::TypedModuleList<UNetUpBlock2D>())),
      conv_norm_out_(register_module(
          "conv_norm_out", nn::GroupNorm(options.norm_num_groups,
                                         options.block_out_channels.front(), options.norm_eps))),
      conv_out_(register_module(
          "conv_out", nn::Conv2d(options.block_out_channels.front(), options.out_channels,
                                 options.conv_out_kernel, 1, (options.conv_out_kernel - 1) / 2))) {
  const auto& channels = options.block_out_channels;
  const size_t lowest = channels.size() - 1;
  for (size_t level = 0; level <= lowest; ++level) {
    const int64_t in_channels = channels[level == 0 ? 0 : level - 1];
    const auto padding = level == lowest ? std::nullopt : std::optional(options.downsample_padding);
    down_blocks_->push_back(UNetDownBlock2D(
        level_options(options, level, options.down_cross_attention[level]), in_channels, padding));
  }
  if (options.has_mid_block) {
    mid_block_ = register_module("mid_block", UNetMidBlock2DCrossAttn(mid_options(options)));
  }
  for (size_t i = 0; i <= lowest; ++i) {
    const size_t level = lowest - i;
    auto up_options = level_options(options, level, options.up_cross_attention[i]);
    up_options.num_layers += 1;  // the extra one takes the skip of the level's input
    const int64_t in_channels = channels[level == 0 ? 0 : level - 1];
    const int64_t prev_channels = channels[level == lowest ? lowest : level + 1];
    up_blocks_->push_back(UNetUpBlock2D(up_options, in_channels, prev_channels, level != 0));
  }
}

Tensor UNet2DConditionModelImpl::forward(const Tensor& sample, const Tensor& timestep,
                                         const Tensor& encoder_hidden_states,
                                         const UNetConditions& conditions) {
  check_inputs(sample, timestep, encoder_hidden_states, conditions);
  const auto context = embed(sample, timestep, encoder_hidden_states, conditions);

  auto hidden = conv_in_(options_.center_input_sample ? 2 * sample - 1 : sample);
  std::vector<Tensor> skips = {hidden};
  for (auto& block : down_blocks_) hidden = block(hidden, context, skips);

  if (conditions.mid_block_additional_residual) {
    add_residuals(skips, conditions.down_block_additional_residuals);
  }
  if (mid_block_) hidden = mid_block_(hidden, context);
  if (conditions.mid_block_additional_residual) {
    hidden = hidden + *conditions.mid_block_additional_residual;
  }

  for (auto& block : up_blocks_) hidden = block(hidden, context, skips);
  return conv_out_(at::silu(conv_norm_out_(hidden))).contiguous();  // [N, out, H, W]
}

UNetContext UNet2DConditionModelImpl::embed(const Tensor& sample, const Tensor& timestep,
                                            const Tensor& encoder_hidden_states,
                                            const UNetConditions& conditions) {
  const nn::SinusoidOptions sinusoid{options_.block_out_channels.front(), options_.flip_sin_to_cos,
                                     options_.freq_shift};
  const auto timesteps = timestep.to(sample.device()).expand({sample.size(0)});  // [N]
  const auto embedding = nn::sinusoidal_embedding(timesteps, sinusoid).to(sample.scalar_type());

  UNetContext context;
  context.temb = time_embedding_(embedding, conditions.timestep_cond);
  context.text.encoder_hidden_states = encoder_hidden_states;
  if (conditions.encoder_attention_mask) {
    context.text.bias = attention_bias(*conditions.encoder_attention_mask, sample.scalar_type());
  }
  return context;
}

void UNet2DConditionModelImpl::check_inputs(const Tensor& sample, const Tensor& timestep,
                                            const Tensor& encoder_hidden_states,
                                            const UNetConditions& conditions) const {
  LATENTRAY_CHECK(sample.dim() == 4 && sample.size(1) == options_.in_channels, "ERR_SHAPE",
                  "sample: expected [N, ", options_.in_channels, ", H, W], found ", sample.sizes());
  const int64_t batch = sample.size(0);
  LATENTRAY_CHECK(timestep.numel() == 1 || (timestep.dim() == 1 && timestep.size(0) == batch),
                  "ERR_SHAPE", "timestep: expected one value or [", batch, "], found ",
                  timestep.sizes());
  LATENTRAY_CHECK(encoder_hidden_states.dim() == 3 && encoder_hidden_states.size(0) == batch &&
                      encoder_hidden_states.size(2) == options_.cross_attention_dim,
                  "ERR_SHAPE", "encoder_hidden_states: expected [", batch, ", L, ",
                  options_.cross_attention_dim, "] (cross_attention_dim), found ",
                  encoder_hidden_states.sizes());
  for (const auto& [name, tensor] :
       {std::pair("sample", sample), std::pair("encoder_hidden_states", encoder_hidden_states)}) {
    LATENTRAY_CHECK(tensor.scalar_type() == conv_in_->weight.scalar_type(), "ERR_DTYPE", name,
                    ": expected the weights' dtype ", dtype_name(conv_in_->weight.scalar_type()),
                    ", found ", dtype_name(tensor.scalar_type()));
  }
  if (conditions.encoder_attention_mask) {
    const auto found = conditions.encoder_attention_mask->sizes();
    LATENTRAY_CHECK(found == encoder_hidden_states.sizes().slice(0, 2), "ERR_SHAPE",
                    "encoder_attention_mask: expected ", encoder_hidden_states.sizes().slice(0, 2),
                    ", found ", found);
  }
  LATENTRAY_CHECK(conditions.mid_block_additional_residual.has_value() ==
                      !conditions.down_block_additional_residuals.empty(),
                  "ERR_INVALID_ARG",
                  "mid_block_additional_residual and down_block_additional_residuals: expected "
                  "both or neither");
  LATENTRAY_CHECK(!conditions.timestep_cond || options_.time_cond_proj_dim, "ERR_INVALID_ARG",
                  "timestep_cond: this network's config has no time_cond_proj_dim");
}

}  // namespace latentray
