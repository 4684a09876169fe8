#include "models/autoencoder_tiny.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/cancellation.h"
#include "models/positive_integer.h"

namespace latentray {

using at::Tensor;

namespace {

constexpr double kLatentBound = 3.0;  // decoders see latents softly bounded to ±3
constexpr int64_t kPoolWidening = 4;
constexpr int64_t kPoolGroups = 4;
constexpr double kPoolNormEps = 1e-5;

// A block keeps its width, so every level has the same one.
int64_t common_width(const Config& config, const char* key, size_t levels) {
  const auto widths = positive_integers(config, key, std::vector<int64_t>(levels, 64));
  const bool equal =
      widths.size() == levels &&
      std::count(widths.begin(), widths.end(), widths[0]) == static_cast<int64_t>(levels);
  if (!equal) config.reject(key, c10::str(levels, " equal widths, one for each number of blocks"));
  return widths[0];
}

std::vector<int64_t> blocks_per_level(const Config& config, const char* key,
                                      std::vector<int64_t> fallback) {
  auto counts = positive_integers(config, key, std::move(fallback), kMaxLayersPerBlock);
  if (counts.size() > kMaxLevels) config.reject(key, c10::str("at most ", kMaxLevels, " levels"));
  return counts;
}

}  // namespace

AutoencoderTinyOptions AutoencoderTinyOptions::from_config(const Config& config) {
  AutoencoderTinyOptions options;
  options.in_channels = positive_integer(config, "in_channels", 3);
  options.out_channels = positive_integer(config, "out_channels", 3);
  if (options.out_channels != options.in_channels) {
    config.reject("out_channels", c10::str("in_channels, ", options.in_channels));
  }
  options.num_encoder_blocks = blocks_per_level(config, "num_encoder_blocks", {1, 3, 3, 3});
  options.num_decoder_blocks = blocks_per_level(config, "num_decoder_blocks", {3, 3, 3, 1});
  const size_t levels = options.num_encoder_blocks.size();
  if (options.num_decoder_blocks.size() != levels) {
    config.reject("num_decoder_blocks", c10::str(levels, " numbers, as num_encoder_blocks has"));
  }
  options.channels = common_width(config, "encoder_block_out_channels", levels);
  if (common_width(config, "decoder_block_out_channels", levels) != options.channels) {
    config.reject("decoder_block_out_channels", "the encoder's widths");
  }
  nn::activation(config, "act_fn", "relu");
  options.act_fn = config.string("act_fn", "relu");
  config.require_one_of("upsample_fn", {"nearest"}, "nearest");
  if (config.integer("upsampling_scaling_factor", 2) != 2) {
    config.reject("upsampling_scaling_factor", "2, by which the encoder divides");
  }
  options.latent_magnitude = config.number("latent_magnitude", 3.0);
  options.latent_shift = config.number("latent_shift", 0.5);
  options.use_midblock_gn = config.boolean("use_midblock_gn", false);
  options.latent_space.pixel_channels = options.in_channels;
  options.latent_space.latent_channels = positive_integer(config, "latent_channels", 4);
  options.latent_space.downscale = int64_t{1} << (levels - 1);
  options.latent_space.scaling_factor = config.number("scaling_factor", 1.0);
  options.latent_space.shift_factor = config.number("shift_factor", 0.0);
  options.latent_space.force_upcast = config.boolean("force_upcast", false);
  return options;
}

nlohmann::json AutoencoderTinyOptions::to_json() const {
  const std::vector<int64_t> widths(num_encoder_blocks.size(), channels);
  nlohmann::json json = {{"_class_name", "AutoencoderTiny"},
                         {"in_channels", in_channels},
                         {"out_channels", out_channels},
                         {"encoder_block_out_channels", widths},
                         {"decoder_block_out_channels", widths},
                         {"num_encoder_blocks", num_encoder_blocks},
                         {"num_decoder_blocks", num_decoder_blocks},
                         {"act_fn", act_fn},
                         {"upsample_fn", "nearest"},
                         {"upsampling_scaling_factor", 2},
                         {"latent_channels", latent_space.latent_channels},
                         {"latent_magnitude", latent_magnitude},
                         {"latent_shift", latent_shift},
                         {"scaling_factor", latent_space.scaling_factor},
                         {"shift_factor", latent_space.shift_factor},
                         {"force_upcast", latent_space.force_upcast}};
  if (use_midblock_gn) json["use_midblock_gn"] = true;
  return json;
}

AutoencoderTinyBlockImpl::AutoencoderTinyBlockImpl(int64_t channels, nn::Activation activation,
                                                   bool pooled)
    : activation_(activation),
      conv0_(channels, channels, 3, 1, 1),
      conv2_(channels, channels, 3, 1, 1),
      conv4_(channels, channels, 3, 1, 1) {
  auto conv = register_module("conv", std::make_shared<torch::nn::Module>());
  conv->register_module("0", conv0_);
  conv->register_module("2", conv2_);
  conv->register_module("4", conv4_);
  if (!pooled) return;

  const int64_t wide = kPoolWidening * channels;
  auto pool = register_module("pool", std::make_shared<torch::nn::Module>());
  widen_ = pool->register_module("0", nn::Conv2d(channels, wide, 1, 1, 0, /*bias=*/false));
  norm_ = pool->register_module("1", nn::GroupNorm(kPoolGroups, wide, kPoolNormEps));
  narrow_ = pool->register_module("3", nn::Conv2d(wide, channels, 1, 1, 0, /*bias=*/false));
}

Tensor AutoencoderTinyBlockImpl::pool(const Tensor& x) { return narrow_(norm_(widen_(x)).relu_()); }

Tensor AutoencoderTinyBlockImpl::forward(const Tensor& x) {
  const auto input = widen_ ? x + pool(x) : x;
  const auto hidden = conv4_(activation_(conv2_(activation_(conv0_(input)))));
  return hidden.add_(input).relu_();
}

Tensor TinyLayersImpl::forward(const Tensor& x) {
  auto hidden = x;
  for (auto& step : steps_) {
    cancellation_point();
    hidden = step(hidden);
  }
  return hidden;
}

EncoderTinyImpl::EncoderTinyImpl(const AutoencoderTinyOptions& options)
    : layers_(register_module("layers", TinyLayers())) {
  const int64_t channels = options.channels;
  const auto activation = nn::activation(options.act_fn);
  const size_t levels = options.num_encoder_blocks.size();
  for (size_t level = 0; level < levels; ++level) {
    layers_->push_back(level == 0 ? nn::Conv2d(options.in_channels, channels, 3, 1, 1)
                                  : nn::Conv2d(channels, channels, 3, 2, 1, /*bias=*/false));
    const bool pooled = options.use_midblock_gn && level + 1 == levels;
    for (int64_t i = 0; i < options.num_encoder_blocks[level]; ++i) {
      layers_->push_back(AutoencoderTinyBlock(channels, activation, pooled));
    }
  }
  layers_->push_back(nn::Conv2d(channels, options.latent_space.latent_channels, 3, 1, 1));
}

Tensor EncoderTinyImpl::forward(const Tensor& pixels) {
  return layers_((pixels + 1) / 2);  // the layers take [0, 1]
}

DecoderTinyImpl::DecoderTinyImpl(const AutoencoderTinyOptions& options)
    : layers_(register_module("layers", TinyLayers())) {
  const int64_t channels = options.channels;
  const auto activation = nn::activation(options.act_fn);
  const size_t levels = options.num_decoder_blocks.size();
  layers_->push_back(nn::Conv2d(options.latent_space.latent_channels, channels, 3, 1, 1));
  layers_->push_back_function(activation);
  for (size_t level = 0; level < levels; ++level) {
    const bool pooled = options.use_midblock_gn && level == 0;
    for (int64_t i = 0; i < options.num_decoder_blocks[level]; ++i) {
      layers_->push_back(AutoencoderTinyBlock(channels, activation, pooled));
    }
    if (level + 1 == levels) break;
    layers_->push_back_function([](const Tensor& x) {
      const std::array<int64_t, 2> size = {2 * x.size(2), 2 * x.size(3)};
      return at::upsample_nearest2d(x, size);  // [N, C, 2H, 2W]
    });
    layers_->push_back(nn::Conv2d(channels, channels, 3, 1, 1, /*bias=*/false));
  }
  layers_->push_back(nn::Conv2d(channels, options.out_channels, 3, 1, 1));
}

Tensor DecoderTinyImpl::forward(const Tensor& latents) {
  const auto bounded = at::tanh(latents / kLatentBound) * kLatentBound;
  return layers_(bounded) * 2 - 1;  // the layers give [0, 1]
}

AutoencoderTinyImpl::AutoencoderTinyImpl(const AutoencoderTinyOptions& options)
    : options_(options),
      encoder_(register_module("encoder", EncoderTiny(options))),
      decoder_(register_module("decoder", DecoderTiny(options))) {}

Tensor AutoencoderTinyImpl::compute_moments(const Tensor& pixels) { return encoder_(pixels); }

Tensor AutoencoderTinyImpl::compute_pixels(const Tensor& latents) { return decoder_(latents); }

}  // namespace latentray
