#include "models/controlnet.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"
#include "models/positive_integer.h"
#include "nn/module_parameters.h"

namespace latentray {

namespace {

// The config with the way up that a U-Net of these levels has, which a ControlNet's config does not
// speak of.
Config with_up_blocks(const Config& config) {
  nlohmann::json json = config.json();
  const auto down = config.strings(
      "down_block_types",
      {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"});
  auto up = nlohmann::json::array();
  for (auto name = down.rbegin(); name != down.rend(); ++name) {
    up.push_back(*name == "CrossAttnDownBlock2D" ? "CrossAttnUpBlock2D" : "UpBlock2D");
  }
  json["up_block_types"] = up;
  return Config::parse(json.dump(), config.origin());
}

void scale_by(const ControlStrength& strength, ControlResiduals& residuals) {
  const auto last = static_cast<int64_t>(residuals.down.size());
  for (int64_t i = 0; i < last; ++i) {
    const double exponent = static_cast<double>(i) / static_cast<double>(last) - 1;  // −1 … 0
    const double growth = strength.guess_mode ? std::pow(10.0, exponent) : 1;
    residuals.down[i] = residuals.down[i] * (growth * strength.scale);
  }
  residuals.mid = residuals.mid * strength.scale;
}

nn::Conv2d pointwise(int64_t channels) { return nn::Conv2d(channels, channels, 1); }

nn::Conv2d three_by_three(int64_t in_channels, int64_t out_channels, int64_t stride = 1) {
  return nn::Conv2d(in_channels, out_channels, 3, stride, 1);
}

}  // namespace

ControlNetOptions ControlNetOptions::from_config(const Config& config) {
  ControlNetOptions options;
  options.encoder = UNet2DConditionOptions::from_config(with_up_blocks(config));
  if (!options.encoder.has_mid_block) config.reject("mid_block_type", "UNetMidBlock2DCrossAttn");
  options.conditioning_channels = positive_integer(config, "conditioning_channels", 3);
  options.conditioning_embedding_out_channels =
      positive_integers(config, "conditioning_embedding_out_channels", {16, 32, 96, 256});
  if (options.conditioning_embedding_out_channels.size() > kMaxLevels) {
    config.reject("conditioning_embedding_out_channels",
                  c10::str("a list of 1 to ", kMaxLevels, " widths"));
  }
  const std::string order = "controlnet_conditioning_channel_order";
  config.require_one_of(order, {"rgb", "bgr"}, "rgb");
  options.bgr = config.string(order, "rgb") == "bgr";
  if (config.boolean("global_pool_conditions", false)) {
    config.reject("global_pool_conditions", "false");
  }
  return options;
}

int64_t ControlNetOptions::downscale() const {
  return int64_t{1} << (conditioning_embedding_out_channels.size() - 1);
}

ControlNetConditioningEmbeddingImpl::ControlNetConditioningEmbeddingImpl(
    int64_t out_channels, const ControlNetOptions& options)
    : conv_in_(register_module(
          "conv_in", three_by_three(options.conditioning_channels,
                                    options.conditioning_embedding_out_channels.front()))),
      blocks_(register_module("blocks", nn::TypedModuleList<nn::Conv2d>())),
      conv_out_(register_module(
          "conv_out",
          three_by_three(options.conditioning_embedding_out_channels.back(), out_channels))) {
  const auto& channels = options.conditioning_embedding_out_channels;
  for (size_t i = 0; i + 1 < channels.size(); ++i) {
    blocks_->push_back(three_by_three(channels[i], channels[i]));
    blocks_->push_back(three_by_three(channels[i], channels[i + 1], 2));
  }
}

Tensor ControlNetConditioningEmbeddingImpl::forward(const Tensor& image) {
  auto hidden = at::silu(conv_in_(image));  // [N, channels[0], H, W]
  for (auto& block : blocks_) hidden = at::silu(block(hidden));
  return conv_out_(hidden);  // [N, out_channels, H / downscale, W / downscale]
}

ControlNetModelImpl::ControlNetModelImpl(const ControlNetOptions& options)
    : UNetEncoderImpl(options.encoder),
      control_options_(options),
      controlnet_cond_embedding_(register_module(
          "controlnet_cond_embedding",
          ControlNetConditioningEmbedding(options.encoder.block_out_channels.front(), options))),
      controlnet_down_blocks_(
          register_module("controlnet_down_blocks", nn::TypedModuleList<nn::Conv2d>())),
      controlnet_mid_block_(register_module("controlnet_mid_block",
                                            pointwise(options.encoder.block_out_channels.back()))) {
  const auto& channels = options.encoder.block_out_channels;
  // One for each of the U-Net's skips: its first convolution, every layer, every halving.
  controlnet_down_blocks_->push_back(pointwise(channels.front()));
  for (size_t level = 0; level < channels.size(); ++level) {
    const bool halves = level + 1 < channels.size();
    const int64_t skips = options.encoder.layers_per_block[level] + (halves ? 1 : 0);
    for (int64_t i = 0; i < skips; ++i) {
      controlnet_down_blocks_->push_back(pointwise(channels[level]));
    }
  }
}

ControlResiduals ControlNetModelImpl::forward(const Tensor& sample, const Tensor& timestep,
                                              const Tensor& encoder_hidden_states,
                                              const Tensor& image, const ControlStrength& strength,
                                              const std::optional<Tensor>& encoder_attention_mask) {
  check_inputs(sample, timestep, encoder_hidden_states, encoder_attention_mask);
  check_image(image, sample);
  const auto context = embed(sample, timestep, encoder_hidden_states, encoder_attention_mask);

  const auto structure = controlnet_cond_embedding_(control_options_.bgr ? image.flip(1) : image);
  std::vector<Tensor> skips;
  auto hidden = descend(conv_in_(sample) + structure, context, skips);
  hidden = mid_block_(hidden, context);

  ControlResiduals residuals;
  for (size_t i = 0; i < skips.size(); ++i) {
    residuals.down.push_back(controlnet_down_blocks_[i](skips[i]));
  }
  residuals.mid = controlnet_mid_block_(hidden);
  scale_by(strength, residuals);
  return residuals;
}

void ControlNetModelImpl::check_image(const Tensor& image, const Tensor& sample) const {
  const int64_t step = control_options_.downscale();
  const std::vector<int64_t> expected{sample.size(0), control_options_.conditioning_channels,
                                      sample.size(2) * step, sample.size(3) * step};
  LATENTRAY_CHECK(image.sizes() == at::IntArrayRef(expected), "ERR_SHAPE",
                  "control image: expected ", at::IntArrayRef(expected), ", found ", image.sizes());
  LATENTRAY_CHECK(image.scalar_type() == sample.scalar_type(), "ERR_DTYPE",
                  "control image: expected ", sample.scalar_type(), ", found ",
                  image.scalar_type());
}

ControlNetModel load_controlnet(const Config& config, const StateDict& state,
                                const LoadOptions& options) {
  ControlNetModel model(ControlNetOptions::from_config(config));
  load_state_dict(*model, state, options);
  if (options.device.is_cuda()) nn::use_channels_last(*model);
  model->eval();
  return model;
}

}  // namespace latentray
