#include "models/clip_vision.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string_view>

#include "core/cancellation.h"
#include "models/positive_integer.h"
#include "nn/placeholder.h"

namespace latentray {

using at::Tensor;

CLIPVisionOptions CLIPVisionOptions::from_config(const Config& config) {
  CLIPVisionOptions options;
  auto& encoder = options.encoder;
  encoder.hidden_size = positive_integer(config, "hidden_size", 768);
  encoder.intermediate_size = positive_integer(config, "intermediate_size", 3072);
  encoder.num_hidden_layers = positive_integer(config, "num_hidden_layers", 12, kMaxLayers);
  encoder.num_attention_heads = positive_integer(config, "num_attention_heads", 12);
  if (encoder.hidden_size % encoder.num_attention_heads != 0) {
    config.reject("num_attention_heads",
                  c10::str("a divisor of hidden_size ", encoder.hidden_size));
  }
  encoder.layer_norm_eps = config.number("layer_norm_eps", 1e-5);
  encoder.hidden_act = nn::activation(config, "hidden_act", "quick_gelu");
  options.num_channels = positive_integer(config, "num_channels", 3, 1 << 10);
  options.image_size = positive_integer(config, "image_size", 224, 1 << 14);
  options.patch_size = positive_integer(config, "patch_size", 32, options.image_size);
  return options;
}

CLIPVisionEmbeddingsImpl::CLIPVisionEmbeddingsImpl(const CLIPVisionOptions& options)
    : patch_embedding_(register_module(
          "patch_embedding",
          nn::Conv2d(options.num_channels, options.encoder.hidden_size, options.patch_size,
                     /*stride=*/options.patch_size, /*padding=*/0, /*bias=*/false))),
      position_embedding_(nullptr) {
  const int64_t side = options.image_size / options.patch_size;
  class_embedding_ =
      register_parameter("class_embedding", nn::placeholder({options.encoder.hidden_size}), false);
  position_embedding_ = register_module(
      "position_embedding", nn::Embedding(side * side + 1, options.encoder.hidden_size));
}

Tensor CLIPVisionEmbeddingsImpl::forward(const Tensor& pixels) {
  const auto patches = patch_embedding_(pixels).flatten(2).transpose(1, 2);  // [N, patches, C]
  const auto whole = class_embedding_.expand({pixels.size(0), 1, -1});       // [N, 1, C]
  return at::cat({whole, patches}, 1) + position_embedding_->weight;         // [N, 1 + patches, C]
}

CLIPVisionModelImpl::CLIPVisionModelImpl(const CLIPVisionOptions& options)
    : options_(options),
      embeddings_(register_module("embeddings", CLIPVisionEmbeddings(options))),
      // Misspelt in the published files, too.
      pre_layernorm_(register_module(
          "pre_layrnorm",
          nn::LayerNorm(options.encoder.hidden_size, options.encoder.layer_norm_eps))),
      encoder_(register_module("encoder", CLIPEncoder(options.encoder))),
      post_layernorm_(register_module(
          "post_layernorm",
          nn::LayerNorm(options.encoder.hidden_size, options.encoder.layer_norm_eps))) {}

Tensor CLIPVisionModelImpl::forward(const Tensor& pixels) {
  auto hidden = pre_layernorm_(embeddings_(pixels));  // [N, L, C]
  // Every patch sees every other; without a mask these layers are causal, as text wants them.
  const auto all = at::ones({1, 1, hidden.size(1), hidden.size(1)},
                            hidden.options().dtype(at::kBool));  // [1, 1, L, L]
  for (auto& layer : encoder_->layers) {
    cancellation_point();
    hidden = layer(hidden, all);
  }
  return post_layernorm_(hidden.select(1, 0));  // [N, C]
}

Tensor prepare_for_clip(const Tensor& bytes, int64_t size) {
  LATENTRAY_CHECK(bytes.dim() == 4 && bytes.size(3) == 3 && bytes.scalar_type() == at::kByte,
                  "ERR_SHAPE", "images: expected uint8 [N, H, W, 3], found ", bytes.sizes());
  auto image = bytes.permute({0, 3, 1, 2}).contiguous();  // [N, 3, H, W]
  const int64_t height = image.size(2);
  const int64_t width = image.size(3);
  const int64_t shorter = std::min(height, width);
  if (shorter != size) {
    const std::vector<int64_t> resized{size * height / shorter, size * width / shorter};
    image = at::_upsample_bicubic2d_aa(image, resized, /*align_corners=*/false);
  }
  image = image.narrow(2, (image.size(2) - size) / 2, size)
              .narrow(3, (image.size(3) - size) / 2, size);  // [N, 3, size, size]
  const auto per_channel = [](double red, double green, double blue) {
    return at::tensor({red, green, blue}, at::kFloat).view({1, 3, 1, 1});
  };
  const auto mean = per_channel(0.48145466, 0.4578275, 0.40821073);
  const auto deviation = per_channel(0.26862954, 0.26130258, 0.27577711);
  return (image.to(at::kFloat) / 255 - mean) / deviation;
}

namespace {

class CLIPImageFeatures : public FeatureNetwork {
 public:
  CLIPImageFeatures(const CLIPVisionOptions& options, int64_t projection_dim)
      : vision_model_(register_module("vision_model", CLIPVisionModel(options))),
        visual_projection_(register_module(
            "visual_projection",
            nn::Linear(options.encoder.hidden_size, projection_dim, /*bias=*/false))) {}

  Tensor prepare(const Tensor& pixels) const override {
    check_pixels(pixels);
    const Tensor rgb = pixels.to(at::kCPU, at::kFloat).expand({-1, 3, -1, -1});
    const Tensor bytes = (rgb * 255).round().to(at::kByte).permute({0, 2, 3, 1});  // [N, H, W, 3]
    return prepare_for_clip(bytes, vision_model_->options().image_size)
        .to(visual_projection_->weight.options());
  }

  std::map<std::string, Tensor> forward(const Tensor& prepared) override {
    return {{"features", visual_projection_(vision_model_(prepared))}};
  }

  Tensor probabilities(const Tensor& logits) const override { return logits; }

  int64_t classes() const override { return 0; }

 private:
  CLIPVisionModel vision_model_;
  nn::Linear visual_projection_;
};

// A whole CLIP's text half, and a buffer of position numbers.
StateDict image_half(StateDict state) {
  std::erase_if(state.tensors, [](const auto& entry) {
    const std::string_view key = entry.first;
    return key.starts_with("text_model.") || key.starts_with("text_projection.") ||
           key == "logit_scale" || key == "vision_model.embeddings.position_ids";
  });
  return state;
}

// A whole CLIP's config has one for each half.
Config vision_config(const Config& config) {
  const auto found = config.json().find("vision_config");
  if (found == config.json().end()) return config;
  if (!found->is_object()) config.reject("vision_config", "an object");
  return Config::parse(found->dump(), config.origin() + ": vision_config");
}

}  // namespace

std::shared_ptr<FeatureNetwork> load_clip_image_features(const Config& config, StateDict state,
                                                         const LoadOptions& options) {
  const auto vision = CLIPVisionOptions::from_config(vision_config(config));
  auto network =
      std::make_shared<CLIPImageFeatures>(vision, positive_integer(config, "projection_dim", 512));
  load_state_dict(*network, image_half(std::move(state)), options);
  network->eval();
  return network;
}

}  // namespace latentray
