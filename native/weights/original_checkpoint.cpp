#include "weights/original_checkpoint.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "weights/open_clip.h"
#include "weights/original_names.h"

namespace latentray {

namespace {

using at::Tensor;
using Tensors = std::map<std::string, Tensor>;
using Direction = ModuleRenaming::Direction;

constexpr const char* kUNetPrefix = "model.diffusion_model.";
constexpr const char* kEmaPrefix = "model_ema.";
constexpr const char* kVaePrefix = "first_stage_model.";
constexpr const char* kClipPrefix = "cond_stage_model.transformer.";
constexpr const char* kOpenClipPrefix = "cond_stage_model.model.";

// A file of the autoencoder alone, as fine-tuned ones are published.
constexpr const char* kBareVaeKey = "encoder.down.0.block.0.norm1.weight";

bool has_prefix(const Tensors& tensors, const std::string& prefix) {
  const auto found = tensors.lower_bound(prefix);
  return found != tensors.end() && found->first.starts_with(prefix);
}

// The tensors under `prefix`, which is taken off.
Tensors under(const Tensors& tensors, const std::string& prefix) {
  Tensors found;
  for (auto it = tensors.lower_bound(prefix); it != tensors.end() && it->first.starts_with(prefix);
       ++it) {
    found[it->first.substr(prefix.size())] = it->second;
  }
  return found;
}

Tensors with_prefix(const Tensors& tensors, const std::string& prefix) {
  Tensors prefixed;
  for (const auto& [key, tensor] : tensors) prefixed[prefix + key] = tensor;
  return prefixed;
}

Tensors renamed(const Tensors& tensors, const ModuleRenaming& rename) {
  Tensors result;
  for (const auto& [key, tensor] : tensors) result[rename(key)] = tensor;
  return result;
}

// How many of prefix + "0" + suffix, prefix + "1" + suffix ….
int64_t count(const Tensors& tensors, const std::string& prefix, const std::string& suffix) {
  int64_t number = 0;
  while (has_prefix(tensors, c10::str(prefix, number, suffix))) ++number;
  return number;
}

BlockCounts original_unet_counts(const Tensors& unet) {
  const int64_t inputs = count(unet, "input_blocks.", ".");
  std::vector<int64_t> downsamplers;
  for (int64_t i = 1; i < inputs; ++i) {
    if (has_prefix(unet, c10::str("input_blocks.", i, ".0.op."))) downsamplers.push_back(i);
  }
  BlockCounts counts{};
  counts.levels = static_cast<int64_t>(downsamplers.size()) + 1;
  counts.layers = downsamplers.empty() ? inputs - 1 : downsamplers.front() - 1;
  for (int64_t level = 0; level < counts.levels; ++level) {
    const int64_t last = (level + 1) * (counts.layers + 1) - 1;
    counts.up_attention.push_back(has_prefix(unet, c10::str("output_blocks.", last, ".1.norm.")));
  }
  return counts;
}

BlockCounts unet_counts(const Tensors& unet) {
  BlockCounts counts{
      count(unet, "down_blocks.", "."), count(unet, "down_blocks.0.resnets.", "."), {}};
  for (int64_t level = 0; level < counts.levels; ++level) {
    counts.up_attention.push_back(has_prefix(unet, c10::str("up_blocks.", level, ".attentions.")));
  }
  return counts;
}

// The averaged U-Net's keys have lost their points.
Tensors ema_unet(const Tensors& all) {
  Tensors unet;
  for (const auto& [key, tensor] : under(all, kUNetPrefix)) {
    std::string name = "diffusion_model" + key;
    name.erase(std::remove(name.begin(), name.end(), '.'), name.end());
    const auto found = all.find(kEmaPrefix + name);
    if (found != all.end()) unet[key] = found->second;
  }
  return unet;
}

Tensors choose_unet(const StateDict& state, const OriginalOptions& options) {
  const bool has_ema = has_prefix(state.tensors, kEmaPrefix);
  if (has_ema && !options.ema) {
    throw Error("ERR_INVALID_ARG",
                state.origin +
                    ": ema: the file holds the U-Net as trained and its moving average, "
                    "and none was chosen. ema: true is the one to generate with, "
                    "ema: false the one to go on training");
  }
  if (!options.ema.value_or(false)) return under(state.tensors, kUNetPrefix);
  LATENTRAY_CHECK(has_ema, "ERR_INVALID_ARG", state.origin,
                  ": ema: true, but the file holds no moving average. Leave ema out");
  return ema_unet(state.tensors);
}

Tensors vae_from_original(const Tensors& vae) {
  const BlockCounts counts{
      count(vae, "encoder.down.", "."), count(vae, "encoder.down.0.block.", "."), {}};
  Tensors result = renamed(vae, {vae_modules(counts), Direction::kToDiffusers});
  for (auto& [key, tensor] : result) {
    const bool is_projection = key.find(".attentions.") != std::string::npos && tensor.dim() == 4;
    if (is_projection) tensor = tensor.flatten(1);  // [C, C, 1, 1] → [C, C]
  }
  return result;
}

Tensors vae_to_original(const Tensors& vae) {
  const BlockCounts counts{count(vae, "encoder.down_blocks.", "."),
                           count(vae, "encoder.down_blocks.0.resnets.", "."),
                           {}};
  Tensors tensors = vae;
  for (auto& [key, tensor] : tensors) {
    const bool is_projection = key.find(".attentions.") != std::string::npos && tensor.dim() == 2;
    if (is_projection) tensor = tensor.unsqueeze(2).unsqueeze(3);  // [C, C] → [C, C, 1, 1]
  }
  return renamed(tensors, {vae_modules(counts), Direction::kToOriginal});
}

Tensors text_encoder_from_original(const StateDict& state, const Config& config) {
  if (!has_prefix(state.tensors, kOpenClipPrefix)) return under(state.tensors, kClipPrefix);
  return open_clip_to_transformers(under(state.tensors, kOpenClipPrefix), config, state.origin);
}

Tensors text_encoder_to_original(const Tensors& text_encoder, const Config& config) {
  const bool bare = !has_prefix(text_encoder, "text_model.");
  const Tensors named = bare ? with_prefix(text_encoder, "text_model.") : text_encoder;
  if (!is_open_clip(config)) return with_prefix(named, kClipPrefix);
  return with_prefix(transformers_to_open_clip(named), kOpenClipPrefix);
}

Tensors vae_of(const Tensors& tensors) {
  if (has_prefix(tensors, kVaePrefix)) return under(tensors, kVaePrefix);
  Tensors vae;
  for (const char* prefix : {"encoder.", "decoder.", "quant_conv.", "post_quant_conv."}) {
    vae.merge(with_prefix(under(tensors, prefix), prefix));
  }
  return vae;
}

}  // namespace

bool is_original_checkpoint(const StateDict& state) {
  return has_prefix(state.tensors, kUNetPrefix) || has_prefix(state.tensors, kVaePrefix) ||
         state.tensors.count(kBareVaeKey) != 0;
}

StateDict from_original(StateDict state, Part part, const Config& config,
                        const OriginalOptions& options) {
  if (!is_original_checkpoint(state)) {
    LATENTRAY_CHECK(!options.ema, "ERR_INVALID_ARG", state.origin,
                    ": ema: expected an original single-file checkpoint. Leave ema out");
    return state;
  }
  Tensors tensors;
  if (part == Part::kUNet) {
    const Tensors unet = choose_unet(state, options);
    tensors = renamed(unet, {unet_modules(original_unet_counts(unet)), Direction::kToDiffusers});
  } else if (part == Part::kVae) {
    tensors = vae_from_original(vae_of(state.tensors));
  } else {
    tensors = text_encoder_from_original(state, config);
  }
  LATENTRAY_CHECK(!tensors.empty(), "ERR_WEIGHTS_MISSING_KEY", state.origin,
                  ": the checkpoint lacks this part of the pipeline. Give it from elsewhere");
  state.tensors = std::move(tensors);
  return state;
}

StateDict join_original(const StateDict& unet, const StateDict& vae, const StateDict& text_encoder,
                        const Config& text_config) {
  const ModuleRenaming rename(unet_modules(unet_counts(unet.tensors)), Direction::kToOriginal);
  StateDict whole;
  whole.tensors = with_prefix(renamed(unet.tensors, rename), kUNetPrefix);
  whole.tensors.merge(with_prefix(vae_to_original(vae.tensors), kVaePrefix));
  whole.tensors.merge(text_encoder_to_original(text_encoder.tensors, text_config));
  return whole;
}

}  // namespace latentray
