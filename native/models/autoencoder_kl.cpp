#include "models/autoencoder_kl.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "models/positive_integer.h"

namespace latentray {

using at::Tensor;

namespace {

constexpr double kNormEps = 1e-6;

void check_block_types(const Config& config, const char* key, const std::string& type,
                       size_t levels) {
  const auto types = config.strings(key, {type});
  const bool supported = types.size() == levels && std::count(types.begin(), types.end(), type) ==
                                                       static_cast<int64_t>(levels);
  if (!supported) config.reject(key, c10::str(levels, " times '", type, "'"));
}

std::vector<double> per_channel(const Config& config, const char* key, int64_t channels) {
  auto values = config.numbers(key, {});
  if (!values.empty() && static_cast<int64_t>(values.size()) != channels) {
    config.reject(key, c10::str("one number for each of ", channels, " latent channels"));
  }
  return values;
}

LatentSpace latent_space_of(const Config& config, int64_t pixel_channels, size_t levels) {
  LatentSpace space;
  space.pixel_channels = pixel_channels;
  space.latent_channels = positive_integer(config, "latent_channels", 4);
  space.downscale = int64_t{1} << (levels - 1);
  space.scaling_factor = config.number("scaling_factor", 0.18215);
  space.shift_factor = config.number("shift_factor", 0.0);
  space.latents_mean = per_channel(config, "latents_mean", space.latent_channels);
  space.latents_std = per_channel(config, "latents_std", space.latent_channels);
  space.force_upcast = config.boolean("force_upcast", true);
  space.tile_sample_min_size = config.integer_per_level("sample_size", 32, 2).front();
  return space;
}

}  // namespace

AutoencoderKLOptions AutoencoderKLOptions::from_config(const Config& config) {
  AutoencoderKLOptions options;
  options.in_channels = positive_integer(config, "in_channels", 3);
  options.out_channels = positive_integer(config, "out_channels", 3);
  if (options.out_channels != options.in_channels) {
    config.reject("out_channels", c10::str("in_channels, ", options.in_channels));
  }
  options.block_out_channels = positive_integers(config, "block_out_channels", {64});
  const size_t levels = options.block_out_channels.size();
  if (levels > kMaxLevels)
    config.reject("block_out_channels", c10::str("at most ", kMaxLevels, " levels"));
  check_block_types(config, "down_block_types", "DownEncoderBlock2D", levels);
  check_block_types(config, "up_block_types", "UpDecoderBlock2D", levels);
  config.require_one_of("act_fn", {"silu", "swish"}, "silu");
  options.layers_per_block = positive_integer(config, "layers_per_block", 1, kMaxLayersPerBlock);
  options.norm_num_groups = positive_integer(config, "norm_num_groups", 32);
  for (const int64_t channels : options.block_out_channels) {
    if (channels % options.norm_num_groups == 0) continue;
    config.reject("norm_num_groups", c10::str("a divisor of every number of channels, ", channels));
  }
  options.use_quant_conv = config.boolean("use_quant_conv", true);
  options.use_post_quant_conv = config.boolean("use_post_quant_conv", true);
  options.mid_block_add_attention = config.boolean("mid_block_add_attention", true);
  options.latent_space = latent_space_of(config, options.in_channels, levels);
  return options;
}

StateDict autoencoder_kl_keys(StateDict state) {
  static const std::pair<const char*, const char*> kOldNames[] = {{".query.", ".to_q."},
                                                                  {".key.", ".to_k."},
                                                                  {".value.", ".to_v."},
                                                                  {".proj_attn.", ".to_out.0."}};
  std::map<std::string, Tensor> tensors;
  for (auto& [old_key, tensor] : state.tensors) {
    std::string key = old_key;
    if (key.find(".attentions.") != std::string::npos) {
      for (const auto& [old_name, name] : kOldNames) {
        const auto found = key.find(old_name);
        if (found != std::string::npos) key.replace(found, std::string(old_name).size(), name);
      }
      const bool is_convolution = tensor.dim() == 4 && tensor.size(2) == 1 && tensor.size(3) == 1;
      if (is_convolution) tensor = tensor.flatten(1);  // [C, C]
    }
    tensors[key] = std::move(tensor);
  }
  state.tensors = std::move(tensors);
  return state;
}

VaeEncoderImpl::VaeEncoderImpl(const AutoencoderKLOptions& options)
    : conv_in_(register_module(
          "conv_in", nn::Conv2d(options.in_channels, options.block_out_channels.front(), 3, 1, 1))),
      down_blocks_(register_module("down_blocks", nn::TypedModuleList<DownEncoderBlock2D>())),
      mid_block_(register_module(
          "mid_block", VaeMidBlock(options.block_out_channels.back(), options.norm_num_groups,
                                   options.mid_block_add_attention))),
      conv_norm_out_(register_module(
          "conv_norm_out",
          nn::GroupNorm(options.norm_num_groups, options.block_out_channels.back(), kNormEps))),
      conv_out_(register_module("conv_out",
                                nn::Conv2d(options.block_out_channels.back(),
                                           2 * options.latent_space.latent_channels, 3, 1, 1))) {
  int64_t channels = options.block_out_channels.front();
  for (size_t i = 0; i < options.block_out_channels.size(); ++i) {
    const bool is_last = i + 1 == options.block_out_channels.size();
    down_blocks_->push_back(DownEncoderBlock2D(channels, options.block_out_channels[i],
                                               options.layers_per_block, options.norm_num_groups,
                                               /*downsample=*/!is_last));
    channels = options.block_out_channels[i];
  }
}

Tensor VaeEncoderImpl::forward(const Tensor& pixels) {
  auto hidden = conv_in_(pixels);  // [N, C, H, W]
  for (auto& block : down_blocks_) hidden = block(hidden);
  hidden = mid_block_(hidden);  // [N, C, H/f, W/f]
  return conv_out_(at::silu(conv_norm_out_(hidden)));
}

VaeDecoderImpl::VaeDecoderImpl(const AutoencoderKLOptions& options)
    : conv_in_(register_module("conv_in", nn::Conv2d(options.latent_space.latent_channels,
                                                     options.block_out_channels.back(), 3, 1, 1))),
      mid_block_(register_module(
          "mid_block", VaeMidBlock(options.block_out_channels.back(), options.norm_num_groups,
                                   options.mid_block_add_attention))),
      up_blocks_(register_module("up_blocks", nn::TypedModuleList<UpDecoderBlock2D>())),
      conv_norm_out_(register_module(
          "conv_norm_out",
          nn::GroupNorm(options.norm_num_groups, options.block_out_channels.front(), kNormEps))),
      conv_out_(register_module("conv_out", nn::Conv2d(options.block_out_channels.front(),
                                                       options.out_channels, 3, 1, 1))) {
  int64_t channels = options.block_out_channels.back();
  for (size_t i = options.block_out_channels.size(); i-- > 0;) {
    up_blocks_->push_back(UpDecoderBlock2D(channels, options.block_out_channels[i],
                                           options.layers_per_block + 1, options.norm_num_groups,
                                           /*upsample=*/i != 0));
    channels = options.block_out_channels[i];
  }
}

Tensor VaeDecoderImpl::forward(const Tensor& latents) {
  auto hidden = mid_block_(conv_in_(latents));  // [N, C, h, w]
  for (auto& block : up_blocks_) hidden = block(hidden);
  return conv_out_(at::silu(conv_norm_out_(hidden)));  // [N, 3, H, W]
}

AutoencoderKLImpl::AutoencoderKLImpl(const AutoencoderKLOptions& options)
    : options_(options),
      encoder_(register_module("encoder", VaeEncoder(options))),
      decoder_(register_module("decoder", VaeDecoder(options))) {
  const int64_t channels = options.latent_space.latent_channels;
  if (options.use_quant_conv) {
    quant_conv_ = register_module("quant_conv", nn::Conv2d(2 * channels, 2 * channels, 1));
  }
  if (options.use_post_quant_conv) {
    post_quant_conv_ = register_module("post_quant_conv", nn::Conv2d(channels, channels, 1));
  }
}

Tensor AutoencoderKLImpl::compute_moments(const Tensor& pixels) {
  const auto encoded = encoder_(pixels);
  return quant_conv_ ? quant_conv_(encoded) : encoded;
}

Tensor AutoencoderKLImpl::compute_pixels(const Tensor& latents) {
  return decoder_(post_quant_conv_ ? post_quant_conv_(latents) : latents);
}

}  // namespace latentray
