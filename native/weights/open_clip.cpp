#include "weights/open_clip.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

#include "weights/original_names.h"

namespace latentray {

namespace {

using at::Tensor;
using Tensors = std::map<std::string, Tensor>;
using Direction = ModuleRenaming::Direction;

constexpr std::array kProjections{"q_proj", "k_proj", "v_proj"};
constexpr std::string_view kBlocks = "transformer.resblocks.";
constexpr std::string_view kLayers = "text_model.encoder.layers.";
constexpr std::string_view kFused = ".attn.in_proj_";
constexpr const char* kPositions = "positional_embedding";
constexpr const char* kPositionWeight = "text_model.embeddings.position_embedding.weight";
constexpr const char* kProjection = "text_projection";
constexpr const char* kProjectionWeight = "text_projection.weight";

// The number behind `prefix` in a key that begins with it.
std::optional<int64_t> number_after(std::string_view key, std::string_view prefix) {
  if (!key.starts_with(prefix)) return std::nullopt;
  key.remove_prefix(prefix.size());
  int64_t number = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
  if (error != std::errc() || end == key.data() + key.size() || *end != '.') return std::nullopt;
  return number;
}

// One more than the highest number of a block.
int64_t count_blocks(const Tensors& tensors, std::string_view prefix) {
  int64_t blocks = 0;
  for (const auto& [key, tensor] : tensors) {
    blocks = std::max(blocks, number_after(key, prefix).value_or(-1) + 1);
  }
  return blocks;
}

std::string projection_key(int64_t layer, const char* projection, std::string_view kind) {
  return c10::str(kLayers, layer, ".self_attn.", projection, ".", kind);
}

bool wants_projection(const Config& config) {
  const auto architectures = config.strings("architectures", {});
  return std::find(architectures.begin(), architectures.end(), "CLIPTextModelWithProjection") !=
         architectures.end();
}

}  // namespace

bool is_open_clip(const Config& config) {
  config.require_one_of("model_type", {"clip_text_model", "clip"}, "clip_text_model");
  return config.string("hidden_act", "quick_gelu") == "gelu";
}

Tensors open_clip_to_transformers(const Tensors& open_clip, const Config& config,
                                  const std::string& origin) {
  const int64_t layers = config.integer("num_hidden_layers", 12);
  const int64_t blocks = count_blocks(open_clip, kBlocks);
  LATENTRAY_CHECK(blocks >= layers, "ERR_WEIGHTS_MISSING_KEY", origin,
                  ": text encoder: expected num_hidden_layers (", layers, ") blocks, found ",
                  blocks, ". Is the config for this checkpoint?");
  const ModuleRenaming rename(open_clip_modules(layers), Direction::kToDiffusers);
  Tensors result;
  for (const auto& [key, tensor] : open_clip) {
    const auto block = number_after(key, kBlocks);
    const size_t fused = key.find(kFused);
    if (block.value_or(0) >= layers || key == "logit_scale") continue;
    if (key == kPositions) {
      result[kPositionWeight] = tensor;
    } else if (key == kProjection) {
      if (wants_projection(config)) result[kProjectionWeight] = tensor.t();
    } else if (block && fused != std::string::npos) {
      const auto parts = tensor.chunk(kProjections.size());
      const std::string kind = key.substr(fused + kFused.size());  // weight or bias
      for (size_t i = 0; i < parts.size(); ++i) {
        result[projection_key(*block, kProjections[i], kind)] = parts[i];
      }
    } else {
      result[rename(key)] = tensor;
    }
  }
  return result;
}

Tensors transformers_to_open_clip(const Tensors& transformers) {
  const int64_t layers = count_blocks(transformers, kLayers);
  const ModuleRenaming rename(open_clip_modules(layers), Direction::kToOriginal);
  Tensors rest = transformers;
  Tensors result;
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (const char* kind : {"weight", "bias"}) {
      std::vector<Tensor> parts;
      for (const char* projection : kProjections) {
        const auto part = rest.extract(projection_key(layer, projection, kind));
        LATENTRAY_CHECK(!part.empty(), "ERR_WEIGHTS_MISSING_KEY", "text encoder: expected '",
                        projection_key(layer, projection, kind), "'");
        parts.push_back(part.mapped());
      }
      result[c10::str(kBlocks, layer, kFused, kind)] = at::cat(parts);
    }
  }
  rest.erase("text_model.embeddings.position_ids");  // which count up from 0 everywhere
  for (const auto& [key, tensor] : rest) {
    if (key == kPositionWeight) {
      result[kPositions] = tensor;
    } else if (key == kProjectionWeight) {
      result[kProjection] = tensor.t().contiguous();
    } else {
      result[rename(key)] = tensor;
    }
  }
  return result;
}

}  // namespace latentray
