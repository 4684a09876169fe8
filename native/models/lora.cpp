#include "models/lora.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "core/error.h"
#include "models/unet.h"
#include "nn/layers.h"
#include "weights/original_names.h"

namespace latentray {

namespace {

// A layer that can be adapted.
struct Target {
  at::Tensor* weight;
  nn::LowRankStack* stack;
};

std::optional<Target> target_of(torch::nn::Module& module) {
  if (auto* linear = dynamic_cast<nn::LinearImpl*>(&module)) {
    return Target{&linear->weight, &linear->low_rank};
  }
  if (auto* conv = dynamic_cast<nn::Conv2dImpl*>(&module)) {
    return Target{&conv->weight, &conv->low_rank};
  }
  return std::nullopt;
}

void for_each_target(torch::nn::Module& model, const std::function<void(const Target&)>& visit) {
  for (const auto& module : model.modules(/*include_self=*/false)) {
    if (const auto target = target_of(*module)) visit(*target);
  }
}

bool is_fused(torch::nn::Module& model) {
  bool fused = false;
  for_each_target(model, [&](const Target& target) { fused |= target.stack->is_fused(); });
  return fused;
}

void refuse_known_name(torch::nn::Module& model, const std::string& name) {
  for_each_target(model, [&](const Target& target) {
    for (const nn::LowRank& entry : target.stack->entries()) {
      LATENTRAY_CHECK(entry.name != name, "ERR_INVALID_ARG", "LoRA: there is an adapter '", name,
                      "' already. Give this one another name");
    }
  });
}

std::string with_underscores(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

// What the original layout calls the model's modules, where it has a name for them: it knows one
// number of layers for all levels.
std::vector<ModuleName> original_modules(torch::nn::Module& model) {
  const auto* unet = dynamic_cast<UNet2DConditionModelImpl*>(&model);
  if (unet == nullptr) return {};
  const UNet2DConditionOptions& options = unet->options();
  const auto& layers = options.layers_per_block;
  if (std::any_of(layers.begin(), layers.end(), [&](auto n) { return n != layers.front(); })) {
    return {};
  }
  return unet_modules(
      {static_cast<int64_t>(layers.size()), layers.front(), options.up_cross_attention});
}

// Every layer under its names: diffusers' and the original ones, each with points and with
// underscores, and without transformers' prefix.
std::map<std::string, Target> targets_of(torch::nn::Module& model) {
  constexpr std::string_view kPrefix = "text_model.";
  const ModuleRenaming to_original(original_modules(model), ModuleRenaming::Direction::kToOriginal);
  std::map<std::string, Target> targets;
  for (const auto& item : model.named_modules("", /*include_self=*/false)) {
    const auto target = target_of(*item.value());
    if (!target) continue;
    const std::string& name = item.key();
    targets.emplace(name, *target);
    targets.emplace(with_underscores(name), *target);
    const std::string original = to_original.module(name);
    targets.emplace(original, *target);
    targets.emplace(with_underscores(original), *target);
    if (name.starts_with(kPrefix)) targets.emplace(name.substr(kPrefix.size()), *target);
  }
  return targets;
}

// A file may leave out that a projection is a 1×1 convolution, and may say so of a linear layer.
at::Tensor of_dimensions(const at::Tensor& matrix, int64_t dimensions) {
  if (matrix.dim() == 2 && dimensions == 4) return matrix.unsqueeze(2).unsqueeze(3);
  const bool is_projection = matrix.dim() == 4 && matrix.size(2) == 1 && matrix.size(3) == 1;
  return dimensions == 2 && is_projection ? matrix.flatten(1) : matrix;
}

nn::LowRank low_rank_for(const at::Tensor& weight, const std::string& name,
                         const LoraLayer& layer) {
  nn::LowRank entry{name, of_dimensions(layer.down, weight.dim()),
                    of_dimensions(layer.up, weight.dim()), 1, 1};
  const bool fits = entry.down.dim() == weight.dim() && entry.up.dim() == weight.dim() &&
                    entry.up.size(1) == entry.down.size(0) && entry.up.size(0) == weight.size(0) &&
                    entry.down.size(0) > 0 &&
                    entry.down.sizes().slice(1) == weight.sizes().slice(1) &&
                    entry.up[0][0].numel() == 1;
  if (!fits) {
    throw Error("ERR_WEIGHTS_SHAPE",
                c10::str(layer.key, ": expected matrices for a weight of ", weight.sizes(),
                         ", found ", layer.up.sizes(), " and ", layer.down.sizes()),
                {{"key", layer.key}});
  }
  entry.ratio = layer.alpha / static_cast<double>(entry.down.size(0));
  entry.down = entry.down.to(weight.options());
  entry.up = entry.up.to(weight.options());
  return entry;
}

bool is_target(const std::string& module, const std::string& target) {
  return module == target || module.ends_with("." + target);
}

// The layers that a target names, in the model's order.
std::vector<std::pair<std::string, Target>> layers_named(torch::nn::Module& model,
                                                         const std::vector<std::string>& targets) {
  std::vector<std::pair<std::string, Target>> layers;
  std::set<std::string> missing(targets.begin(), targets.end());
  for (const auto& item : model.named_modules("", /*include_self=*/false)) {
    const auto layer = target_of(*item.value());
    if (!layer) continue;
    bool named = false;
    for (const auto& target : targets) {
      if (!is_target(item.key(), target)) continue;
      named = true;
      missing.erase(target);
    }
    if (named) layers.emplace_back(item.key(), *layer);
  }
  LATENTRAY_CHECK(missing.empty(), "ERR_INVALID_ARG", "LoRA: the model has no layer '",
                  *missing.begin(),
                  "'. Name linear layers or convolutions by the end of their names");
  return layers;
}

// Matrices [rank, in, …] and [out, rank, …] for a weight [out, in, …].
nn::LowRank new_low_rank(const at::Tensor& weight, const std::string& name, const NewLora& lora,
                         const at::Generator& generator) {
  auto down_shape = weight.sizes().vec();
  down_shape[0] = lora.rank;
  std::vector<int64_t> up_shape(weight.dim(), 1);
  up_shape[0] = weight.size(0);
  up_shape[1] = lora.rank;
  const auto rank = static_cast<double>(lora.rank);
  const auto down = at::normal(0.0, 1.0 / rank, down_shape, generator, at::kFloat);
  return {name, down.to(weight.device()).requires_grad_(),
          at::zeros(up_shape, weight.options().dtype(at::kFloat)).requires_grad_(),
          lora.alpha / rank, 1};
}

bool is_trained(const Target& target) {
  const auto& entries = target.stack->entries();
  return target.weight->requires_grad() ||
         std::any_of(entries.begin(), entries.end(),
                     [](const nn::LowRank& entry) { return entry.is_trained(); });
}

}  // namespace

void require_unfused(torch::nn::Module& model) {
  LATENTRAY_CHECK(!is_fused(model), "ERR_INVALID_ARG",
                  "LoRA: expected adapters beside the weights, found them fused. Unfuse first");
}

int64_t add_lora(torch::nn::Module& model, const std::string& name,
                 const std::map<std::string, LoraLayer>& layers) {
  require_unfused(model);
  refuse_known_name(model, name);
  const auto targets = targets_of(model);
  std::vector<std::pair<Target, nn::LowRank>> additions;
  std::map<const nn::LowRankStack*, std::string> keys;
  for (const auto& [module, layer] : layers) {
    const auto target = targets.find(module);
    if (target == targets.end()) {
      throw Error("ERR_WEIGHTS_UNEXPECTED_KEY",
                  "LoRA: the model has no layer for '" + layer.key + "'. Is it for this model?",
                  {{"key", layer.key}});
    }
    const auto [first, is_new] = keys.emplace(target->second.stack, layer.key);
    if (!is_new) {
      throw Error("ERR_WEIGHTS_UNEXPECTED_KEY",
                  "LoRA: '" + layer.key + "' names the layer of '" + first->second +
                      "' again. Expected one of them",
                  {{"key", layer.key}});
    }
    additions.emplace_back(target->second, low_rank_for(*target->second.weight, name, layer));
  }
  for (auto& [target, entry] : additions) target.stack->push(std::move(entry));
  return static_cast<int64_t>(additions.size());
}

std::map<std::string, LoraLayer> add_trained_lora(torch::nn::Module& model, const std::string& name,
                                                  const NewLora& lora, uint64_t seed) {
  require_unfused(model);
  refuse_known_name(model, name);
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  std::map<std::string, LoraLayer> added;
  for (auto& [module, target] : layers_named(model, lora.targets)) {
    auto entry = new_low_rank(*target.weight, name, lora, generator);
    added[module] = {entry.down, entry.up, lora.alpha, module};
    target.stack->push(std::move(entry));
  }
  return added;
}

void set_lora_scales(torch::nn::Module& model, const std::map<std::string, double>& scales) {
  require_unfused(model);
  for_each_target(model, [&](const Target& target) {
    for (nn::LowRank& entry : target.stack->entries()) {
      if (entry.is_trained()) continue;
      const auto scale = scales.find(entry.name);
      entry.scale = scale == scales.end() ? 0 : scale->second;
    }
  });
}

void remove_lora(torch::nn::Module& model, const std::string& name) {
  require_unfused(model);
  for_each_target(model, [&](const Target& target) { target.stack->remove(name); });
}

void fuse_lora(torch::nn::Module& model) {
  for_each_target(model, [](const Target& target) {
    LATENTRAY_CHECK(
        !is_trained(target), "ERR_INVALID_ARG",
        "LoRA: expected a model that is not being trained. Dispose of the trainer first");
  });
  for_each_target(model, [](const Target& target) { target.stack->fuse(*target.weight); });
}

void unfuse_lora(torch::nn::Module& model) {
  for_each_target(model, [](const Target& target) { target.stack->unfuse(*target.weight); });
}

}  // namespace latentray
