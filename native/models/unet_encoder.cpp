#include "models/unet_encoder.h"

#include <ATen/ATen.h>

#include "core/dtype.h"
#include "core/error.h"

namespace latentray {

namespace {

// Added to the score of a token that is not attended to. Not minus infinity: a row without any
// token would turn into NaN.
constexpr double kMaskedScore = -10000.0;

UNetLevelOptions mid_options(const UNet2DConditionOptions& options) {
  auto result = unet_level_options(options, options.block_out_channels.size() - 1, true);
  result.num_layers = 1;
  result.output_scale_factor = options.mid_block_scale_factor;
  result.transformer->only_cross_attention = false;
  return result;
}

Tensor attention_bias(const Tensor& mask, at::ScalarType dtype) {
  const auto attended = mask.to(dtype).unsqueeze(1).unsqueeze(1);  // [N, 1, 1, L]
  return (1 - attended) * kMaskedScore;
}

}  // namespace

UNetLevelOptions unet_level_options(const UNet2DConditionOptions& options, size_t level,
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

UNetEncoderImpl::UNetEncoderImpl(const UNet2DConditionOptions& options)
    : options_(options),
      conv_in_(register_module(
          "conv_in", nn::Conv2d(options.in_channels, options.block_out_channels.front(),
                                options.conv_in_kernel, 1, (options.conv_in_kernel - 1) / 2))),
      time_embedding_(register_module(
          "time_embedding",
          nn::TimestepEmbedding(options.block_out_channels.front(), options.time_embedding_dim,
                                options.time_cond_proj_dim))),
      down_blocks_(register_module("down_blocks", nn::TypedModuleList<UNetDownBlock2D>())) {
  const auto& channels = options.block_out_channels;
  const size_t lowest = channels.size() - 1;
  for (size_t level = 0; level <= lowest; ++level) {
    const int64_t in_channels = channels[level == 0 ? 0 : level - 1];
    const auto padding = level == lowest ? std::nullopt : std::optional(options.downsample_padding);
    down_blocks_->push_back(
        UNetDownBlock2D(unet_level_options(options, level, options.down_cross_attention[level]),
                        in_channels, padding));
  }
  if (options.has_mid_block) {
    mid_block_ = register_module("mid_block", UNetMidBlock2DCrossAttn(mid_options(options)));
  }
}

UNetContext UNetEncoderImpl::embed(const Tensor& sample, const Tensor& timestep,
                                   const Tensor& encoder_hidden_states,
                                   const std::optional<Tensor>& encoder_attention_mask,
                                   const std::optional<Tensor>& timestep_cond) {
  const nn::SinusoidOptions sinusoid{options_.block_out_channels.front(), options_.flip_sin_to_cos,
                                     options_.freq_shift};
  const auto timesteps = timestep.to(sample.device()).expand({sample.size(0)});  // [N]
  const auto embedding = nn::sinusoidal_embedding(timesteps, sinusoid).to(sample.scalar_type());

  UNetContext context;
  context.temb = time_embedding_(embedding, timestep_cond);
  context.text.encoder_hidden_states = encoder_hidden_states;
  context.gradient_checkpointing = gradient_checkpointing_;
  if (encoder_attention_mask) {
    context.text.bias = attention_bias(*encoder_attention_mask, sample.scalar_type());
  }
  return context;
}

Tensor UNetEncoderImpl::descend(Tensor hidden, const UNetContext& context,
                                std::vector<Tensor>& skips) {
  skips.push_back(hidden);
  for (auto& block : down_blocks_) hidden = block(hidden, context, skips);
  return hidden;
}

void UNetEncoderImpl::check_inputs(const Tensor& sample, const Tensor& timestep,
                                   const Tensor& encoder_hidden_states,
                                   const std::optional<Tensor>& encoder_attention_mask) const {
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
  if (encoder_attention_mask) {
    const auto found = encoder_attention_mask->sizes();
    LATENTRAY_CHECK(found == encoder_hidden_states.sizes().slice(0, 2), "ERR_SHAPE",
                    "encoder_attention_mask: expected ", encoder_hidden_states.sizes().slice(0, 2),
                    ", found ", found);
  }
}

}  // namespace latentray
