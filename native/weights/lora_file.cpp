#include "weights/lora_file.h"

#include <ATen/ATen.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace latentray {

namespace {

enum class Role { kDown, kUp, kAlpha };

struct Key {
  Part part;
  std::string module;
  Role role;
};

constexpr std::array<std::pair<const char*, Role>, 13> kEndings{{
    {".lora_A.weight", Role::kDown},
    {".lora_B.weight", Role::kUp},
    {".lora_A.default.weight", Role::kDown},
    {".lora_B.default.weight", Role::kUp},
    {".lora.down.weight", Role::kDown},
    {".lora.up.weight", Role::kUp},
    {".lora_linear_layer.down.weight", Role::kDown},
    {".lora_linear_layer.up.weight", Role::kUp},
    {"_lora.down.weight", Role::kDown},
    {"_lora.up.weight", Role::kUp},
    {".lora_down.weight", Role::kDown},
    {".lora_up.weight", Role::kUp},
    {".alpha", Role::kAlpha},
}};

constexpr std::array<std::pair<const char*, Part>, 7> kPrefixes{{
    {"unet.", Part::kUNet},
    {"text_encoder.", Part::kTextEncoder},
    {"lora_unet_", Part::kUNet},
    {"diffusion_model.", Part::kUNet},
    {"model.diffusion_model.", Part::kUNet},
    {"lora_te_", Part::kTextEncoder},
    {"lora_te1_", Part::kTextEncoder},
}};

bool take_prefix(std::string& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.erase(0, prefix.size());
  return true;
}

bool take_ending(std::string& text, std::string_view ending) {
  if (!text.ends_with(ending)) return false;
  text.erase(text.size() - ending.size());
  return true;
}

void replace(std::string& text, std::string_view old_text, std::string_view new_text) {
  const size_t at = text.find(old_text);
  if (at != std::string::npos) text.replace(at, old_text.size(), new_text);
}

// Old diffusers hung the matrices on the attention's processor, by names of its own.
void undo_processor_names(std::string& module) {
  replace(module, ".processor.", ".");
  if (module.ends_with(".to_out")) module += ".0";
  const bool is_text = module.find("self_attn.") != std::string::npos;
  if (!is_text) return;
  replace(module, ".to_out.0", ".out_proj");
  for (const char* name : {"q", "k", "v"}) {
    replace(module, c10::str(".to_", name), c10::str(".", name, "_proj"));
  }
}

std::optional<Key> parse(std::string key) {
  std::optional<Role> role;
  for (const auto& [ending, known] : kEndings) {
    if (take_ending(key, ending)) {
      role = known;
      break;
    }
  }
  if (!role) return std::nullopt;
  Part part = Part::kUNet;
  for (const auto& [prefix, known] : kPrefixes) {
    if (take_prefix(key, prefix)) {
      part = known;
      break;
    }
  }
  take_prefix(key, "base_model.model.");
  undo_processor_names(key);
  return Key{part, key, *role};
}

constexpr const char* kMetadata = "lora_adapter_metadata";

std::string part_name(Part part) { return part == Part::kUNet ? "unet" : "text_encoder"; }

// peft's alpha, which diffusers keeps in the file's metadata.
std::optional<double> metadata_alpha(const StateDict& state, Part part) {
  const auto text = state.metadata.find(kMetadata);
  if (text == state.metadata.end()) return std::nullopt;
  const auto json = nlohmann::json::parse(text->second, nullptr, false);
  const std::string name = part_name(part) + ".lora_alpha";
  if (!json.is_object() || !json.contains(name) || !json[name].is_number()) return std::nullopt;
  return json[name].get<double>();
}

}  // namespace

std::map<std::string, LoraLayer> lora_layers(const StateDict& state, Part part) {
  std::map<std::string, LoraLayer> layers;
  std::map<std::string, double> alphas;
  for (const auto& [name, tensor] : state.tensors) {
    const auto key = parse(name);
    if (!key) {
      throw Error("ERR_WEIGHTS_UNEXPECTED_KEY",
                  state.origin + ": expected LoRA weights, found '" + name +
                      "'. Only plain LoRA is read (no DoRA, LoHa, LoKr, no whole models)",
                  {{"key", name}});
    }
    if (key->part != part) continue;
    if (key->role == Role::kAlpha) {
      alphas[key->module] = tensor.to(at::kDouble).sum().item<double>();
      continue;
    }
    LoraLayer& layer = layers[key->module];
    layer.key = name;
    (key->role == Role::kDown ? layer.down : layer.up) = tensor;
  }
  const auto shared_alpha = metadata_alpha(state, part);
  for (auto& [module, layer] : layers) {
    if (!layer.down.defined() || !layer.up.defined()) {
      throw Error("ERR_WEIGHTS_MISSING_KEY",
                  state.origin + ": '" + layer.key + "' lacks the other half of its pair",
                  {{"key", layer.key}});
    }
    const auto own = alphas.find(module);
    layer.alpha = own != alphas.end()
                      ? own->second
                      : shared_alpha.value_or(static_cast<double>(layer.down.size(0)));
  }
  return layers;
}

LoraKeys lora_keys(Part part, const std::string& module) {
  const std::string layer = part_name(part) + "." + module;
  if (part == Part::kUNet) return {layer + ".lora.down.weight", layer + ".lora.up.weight"};
  return {layer + ".lora_A.weight", layer + ".lora_B.weight"};
}

void save_lora_layers(StateDict& state, Part part, const std::map<std::string, LoraLayer>& layers) {
  if (layers.empty()) return;
  std::vector<std::string> modules;
  for (const auto& [module, layer] : layers) {
    const LoraKeys keys = lora_keys(part, module);
    state.tensors[keys.down] = layer.down.detach();
    state.tensors[keys.up] = layer.up.detach();
    modules.push_back(module);
  }
  const LoraLayer& first = layers.begin()->second;
  auto& text = state.metadata[kMetadata];
  auto json = text.empty() ? nlohmann::json::object() : nlohmann::json::parse(text);
  json[part_name(part) + ".r"] = first.down.size(0);
  json[part_name(part) + ".lora_alpha"] = first.alpha;
  json[part_name(part) + ".target_modules"] = modules;
  text = json.dump();
}

}  // namespace latentray
