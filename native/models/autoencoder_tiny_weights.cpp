#include "models/autoencoder_tiny_weights.h"

#include <charconv>

#include "models/positive_integer.h"
#include "nn/module_parameters.h"

namespace latentray {

using at::Tensor;

namespace {

// taesd.py counts the decoder's bound on its input as a layer; AutoencoderTiny does not.
constexpr int64_t kDecoderOffset = 1;

// The number that opens `key`, and what follows it.
struct LayerKey {
  int64_t layer = -1;
  std::string rest;
};

LayerKey parse(const std::string& origin, const std::string& key) {
  LayerKey parsed;
  const char* end = key.data() + key.size();
  const auto [rest, error] = std::from_chars(key.data(), end, parsed.layer);
  const bool valid = error == std::errc() && rest != end && *rest == '.' && parsed.layer >= 0 &&
                     parsed.layer < kMaxLayers;
  if (!valid) {
    throw Error("ERR_WEIGHTS_UNEXPECTED_KEY",
                c10::str(origin, ": ", key, ": expected keys that open with a layer's number, as ",
                         "TAESD's encoder and decoder files have"),
                {{"key", key}});
  }
  parsed.rest = rest;
  return parsed;
}

const Tensor& weight_of(const StateDict& state, int64_t layer) {
  const std::string key = c10::str(layer, ".weight");
  const auto found = state.tensors.find(key);
  if (found == state.tensors.end()) {
    throw Error("ERR_WEIGHTS_MISSING_KEY", c10::str(state.origin, ": ", key, " is missing"),
                {{"key", key}});
  }
  if (found->second.dim() != 4) {
    throw Error("ERR_WEIGHTS_SHAPE",
                c10::str(state.origin, ": ", key, ": expected a convolution's weight, found shape ",
                         found->second.sizes()),
                {{"key", key}});
  }
  return found->second;
}

int64_t last_layer(const StateDict& state) {
  int64_t last = 0;
  for (const auto& [key, tensor] : state.tensors)
    last = std::max(last, parse(state.origin, key).layer);
  return last;
}

// How many residual blocks stand between the convolutions that change the resolution, which alone
// have no bias.
std::vector<int64_t> count_blocks(const StateDict& state) {
  std::vector<int64_t> counts = {0};
  for (int64_t layer = 0; layer <= last_layer(state); ++layer) {
    const auto has = [&](const char* rest) {
      return state.tensors.count(c10::str(layer, rest)) > 0;
    };
    if (has(".conv.0.weight")) ++counts.back();
    if (has(".weight") && !has(".bias")) counts.push_back(0);
  }
  return counts;
}

}  // namespace

AutoencoderTinyOptions taesd_options(const StateDict& encoder, const StateDict& decoder) {
  AutoencoderTinyOptions options;
  options.num_encoder_blocks = count_blocks(encoder);
  options.num_decoder_blocks = count_blocks(decoder);
  options.channels = weight_of(encoder, 0).size(0);
  for (const auto& [key, tensor] : encoder.tensors) {
    options.use_midblock_gn |= key.find(".pool.") != std::string::npos;
  }
  options.latent_space.latent_channels = weight_of(encoder, last_layer(encoder)).size(0);
  options.latent_space.downscale = int64_t{1} << (options.num_encoder_blocks.size() - 1);
  return options;
}

StateDict taesd_keys(const StateDict& encoder, const StateDict& decoder) {
  StateDict state;
  state.origin = encoder.origin + " and " + decoder.origin;
  for (const auto& [key, tensor] : encoder.tensors) {
    state.tensors["encoder.layers." + key] = tensor;
  }
  for (const auto& [key, tensor] : decoder.tensors) {
    const auto [layer, rest] = parse(decoder.origin, key);
    state.tensors[c10::str("decoder.layers.", layer - kDecoderOffset, rest)] = tensor;
  }
  return state;
}

std::shared_ptr<AutoencoderTinyImpl> load_taesd(const StateDict& encoder, const StateDict& decoder,
                                                const LoadOptions& options) {
  auto model = std::make_shared<AutoencoderTinyImpl>(taesd_options(encoder, decoder));
  load_state_dict(*model, taesd_keys(encoder, decoder), options);
  if (options.device.is_cuda()) nn::use_channels_last(*model);
  model->eval();
  return model;
}

}  // namespace latentray
